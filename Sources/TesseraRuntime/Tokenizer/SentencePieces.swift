// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The pieces of a SentencePiece vocabulary and how the characters of a text are merged to them.
struct SentencePieces: Sendable {
    /// ▁, which stands for a space.
    static let space = Array("\u{2581}".utf8)

    /// The symbols of single characters: tokens, or numbers beyond them for characters that occur in longer pieces
    /// only. Characters that are not here are in no piece.
    private var characters: [Unicode.Scalar: TokenID] = [:]
    /// The characters of the symbols beyond the tokens.
    private var nameless: [Unicode.Scalar] = []
    private let tokenCount: Int
    private let byteTokens: [TokenID]
    private let merger: PairMerger
    /// Whether a ▁ stands only at the beginning of pieces or behind another ▁: then words can be merged each alone.
    private let cutsAtSpaces: Bool

    init(
        _ vocabulary: Vocabulary, _ scores: [Float], _ byteTokens: [TokenID], _ file: GGUFFile
    ) throws(TesseraError) {
        tokenCount = vocabulary.tokens.count
        self.byteTokens = byteTokens
        var symbols: [ArraySlice<UInt8>: TokenID] = [:]
        let mergeable = vocabulary.ids(of: .normal, .userDefined)
        for id in mergeable {
            guard symbols.updateValue(id, forKey: vocabulary.tokens[Int(id)][...]) == nil else {
                throw TesseraError(.corrupt, "\(file.path): token \(id) of the vocabulary is there twice")
            }
        }
        for id in mergeable {
            for scalar in String(decoding: vocabulary.tokens[Int(id)], as: UTF8.self).unicodeScalars {
                let bytes = Array(UTF8.encode(scalar) ?? .init())
                let symbol = symbols[bytes[...]] ?? TokenID(tokenCount + nameless.count)
                if characters.updateValue(symbol, forKey: scalar) == nil && symbol >= tokenCount {
                    nameless.append(scalar)
                    symbols[bytes[...]] = symbol
                }
            }
        }
        cutsAtSpaces = mergeable.allSatisfy { !Self.hasInnerSpace(vocabulary.tokens[Int($0)]) }
        merger = PairMerger(Self.rules(mergeable, vocabulary, symbols, Self.priorities(scores)))
    }

    /// The places of all scores in descending order; equal scores share one.
    private static func priorities(_ scores: [Float]) -> [UInt32] {
        let descending = Set(scores).sorted(by: >)
        let places = Dictionary(uniqueKeysWithValues: zip(descending, UInt32(0)...))
        return scores.map { places[$0] ?? .max }
    }

    /// Each piece is made from any two symbols that it is the sum of.
    private static func rules(
        _ mergeable: [TokenID], _ vocabulary: Vocabulary, _ symbols: [ArraySlice<UInt8>: TokenID],
        _ priorities: [UInt32]
    ) -> [(left: TokenID, right: TokenID, priority: UInt32, merged: TokenID)] {
        var rules: [(left: TokenID, right: TokenID, priority: UInt32, merged: TokenID)] = []
        for id in mergeable {
            let piece = vocabulary.tokens[Int(id)]
            for cut in piece.indices.dropFirst() {
                guard let left = symbols[piece[..<cut]], let right = symbols[piece[cut...]] else { continue }
                rules.append((left, right, priorities[Int(id)], id))
            }
        }
        return rules
    }

    private static func hasInnerSpace(_ piece: [UInt8]) -> Bool {
        let body = String(decoding: piece, as: UTF8.self).unicodeScalars.drop { $0 == "\u{2581}" }
        return body.contains("\u{2581}")
    }

    /// Appends the ids of a text in which spaces are ▁.
    func encode(
        _ text: UnsafeBufferPointer<UInt8>, _ workspace: inout EncodingWorkspace, _ ids: inout [TokenID]
    ) {
        var start = 0
        while start < text.count {
            let end = cutsAtSpaces ? wordEnd(text, start) : text.count
            encode(word: UnsafeBufferPointer(rebasing: text[start..<end]), &workspace, &ids)
            start = end
        }
    }

    /// Where the ▁s at `start` and the characters behind them end.
    private func wordEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var end = start
        while isSpace(text, end) { end += Self.space.count }
        while end < text.count && !isSpace(text, end) { end += 1 }
        return end
    }

    @inline(__always)
    private func isSpace(_ text: UnsafeBufferPointer<UInt8>, _ place: Int) -> Bool {
        place + 2 < text.count && text[place] == 0xE2 && text[place + 1] == 0x96 && text[place + 2] == 0x81
    }

    private func encode(
        word: UnsafeBufferPointer<UInt8>, _ workspace: inout EncodingWorkspace, _ ids: inout [TokenID]
    ) {
        let key = PieceCache.Key(word)
        if let key, workspace.cache.append(key, to: &ids) { return }
        let first = ids.count
        workspace.merging.symbols.removeAll(keepingCapacity: true)
        for scalar in String(decoding: word, as: UTF8.self).unicodeScalars {
            if let symbol = characters[scalar] {
                workspace.merging.symbols.append(symbol)
            } else {
                flush(&workspace.merging, &ids)
                appendBytes(of: scalar, to: &ids)
            }
        }
        flush(&workspace.merging, &ids)
        if let key { workspace.cache.store(key, ids[first...]) }
    }

    private func flush(_ scratch: inout MergeScratch, _ ids: inout [TokenID]) {
        merger.merge(&scratch)
        for symbol in scratch.symbols {
            if symbol < tokenCount {
                ids.append(symbol)
            } else {
                appendBytes(of: nameless[Int(symbol) - tokenCount], to: &ids)
            }
        }
        scratch.symbols.removeAll(keepingCapacity: true)
    }

    private func appendBytes(of scalar: Unicode.Scalar, to ids: inout [TokenID]) {
        for byte in UTF8.encode(scalar) ?? .init() { ids.append(byteTokens[Int(byte)]) }
    }
}
