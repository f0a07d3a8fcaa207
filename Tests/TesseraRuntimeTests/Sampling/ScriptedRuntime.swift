// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraKV

/// A runtime that says a text whatever it is asked: token t of the answer follows the t-th prefill.
final class ScriptedRuntime: ModelRuntime {
    struct Alphabet: Tokenizer {
        let pieces: [[UInt8]]
        let endings: Set<TokenID>
        var beginning: TokenID? { nil }
        var addsBeginning: Bool { false }
        var digest: Digest256 { Digest256(of: Data()) }
        func encode(_ text: String, special: Bool) -> [TokenID] { [] }
        func bytes(of token: TokenID, special: Bool) -> [UInt8] { pieces[Int(token)] }
    }

    let model: ModelDescription
    let tokenizer: any Tokenizer
    private let pieces: [[UInt8]]
    private let state = Mutex<[PartialPrefill]>([])
    private let failure: TesseraError?

    /// Says the pieces one after the other, then an end token for ever. From the first call on it throws `failure`.
    init(_ pieces: [[UInt8]], failure: TesseraError? = nil) {
        self.pieces = pieces
        self.failure = failure
        let end = TokenID(pieces.count)
        tokenizer = Alphabet(pieces: pieces + [Array("</s>".utf8)], endings: [end])
        let layout = KVLayout(layers: 1, heads: 1, headDimension: 2)
        model = ModelDescription(
            name: "scripted", architecture: "none", width: 1, queryHeads: 1, layout: layout,
            vocabulary: pieces.count + 1, contextLength: 100,
            rotary: RotaryTable(dimensions: 2, base: 10_000, pairing: .interleaved), precision: "none",
            chatTemplate: nil, weights: Digest256(of: Data()))
    }

    convenience init(_ texts: String...) {
        self.init(texts.map { Array($0.utf8) })
    }

    /// The logits in front of the answer.
    var first: [Float] { logits(for: 0) }

    /// The calls so far.
    var calls: [PartialPrefill] { state.withLock { $0 } }

    func prefill(
        _ call: PartialPrefill, over buffer: KVBuffer, observer: (any LayerObserver)?
    ) throws(TesseraError) -> PrefillOutput {
        if let failure { throw failure }
        let count = state.withLock {
            $0.append(call)
            return $0.count
        }
        return PrefillOutput(logits: logits(for: count), slots: call.slots, computedRows: [1])
    }

    private func logits(for step: Int) -> [Float] {
        (0...pieces.count).map { $0 == min(step, pieces.count) ? 1 : 0 }
    }
}
