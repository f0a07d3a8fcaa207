// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRuntime

/// A prompt with what transformers makes of it in fp32: on models of random weights (`Fixtures/goldens/make.py`), and
/// on the fixture model (`Fixtures/goldens/rag_mini.py`).
struct GoldenModel: Decodable, CustomTestStringConvertible {
    let name: String
    let model: String
    let logits: String
    let offset: Int
    let positions: Int
    let vocabulary: Int
    let prompt: [TokenID]
    let continuation: [TokenID]

    var testDescription: String { name }

    static let folder = fixtures.appending(path: "goldens")

    static let random = read("goldens.json")
    static let all = random + read("rag-mini.json")

    private static func read(_ index: String) -> [GoldenModel] {
        do {
            let data = try Data(contentsOf: folder.appending(path: index))
            return try JSONDecoder().decode([GoldenModel].self, from: data)
        } catch {
            preconditionFailure("the goldens can't be read: \(error)")
        }
    }

    /// The model file.
    var path: String { Self.folder.appending(path: model).path }

    /// The engine on this model; threads share whatever can be shared, however little it is.
    func engine(_ precision: CPUEngine.Options.Precision, threads: Int = 2) throws -> CPUEngine {
        try CPUEngine(
            file: GGUFFile(path: path), tokenizer: SilentTokenizer(),
            options: .init(precision: precision, threads: threads), leastSharedSteps: 1)
    }

    /// Room for the prompt and its continuation.
    func buffer(for engine: CPUEngine) throws -> KVBuffer {
        try KVBuffer(layout: engine.model.layout, capacity: prompt.count + continuation.count)
    }

    /// The reference's logits of the last positions of the prompt.
    func expectedLogits() throws -> [[Float]] {
        let data = try Data(contentsOf: Self.folder.appending(path: logits))
        let numbers = data.withUnsafeBytes { bytes in
            stride(from: offset, to: offset + 4 * positions * vocabulary, by: 4).map { offset in
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            }
        }
        return rows(of: numbers)
    }

    /// Logits cut into positions.
    func rows(of logits: [Float]) -> [[Float]] {
        stride(from: 0, to: logits.count, by: vocabulary).map { Array(logits[$0..<min($0 + vocabulary, logits.count)]) }
    }
}

/// Stands in where only numbers count.
struct SilentTokenizer: Tokenizer {
    let beginning: TokenID? = nil
    let endings: Set<TokenID> = []
    let addsBeginning = false
    let digest = Digest256(of: [UInt8]())

    func encode(_ text: String, special: Bool) -> [TokenID] { [] }
    func bytes(of token: TokenID, special: Bool) -> [UInt8] { [] }
}
