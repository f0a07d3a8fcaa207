// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

/// A random-weight model with transformers' fp32 logits and greedy text (Fixtures/goldens/make.py).
struct Golden: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let model: String
    let logits: String
    let vocabulary: Int
    let prompt: [TokenID]
    let continuation: [TokenID]

    var testDescription: String { name }

    static let all: [Golden] = {
        guard let data = try? Data(contentsOf: folder.appending(path: "goldens.json")),
            let goldens = try? JSONDecoder().decode([Golden].self, from: data)
        else { return [] }
        return goldens
    }()

    /// One of them, for tests that need any model.
    static let any = all[0]

    private static let folder = fixtures.appending(path: "goldens")

    var path: String { Self.folder.appending(path: model).path }

    func engine(_ precision: CPUEngine.Options.Precision) throws -> CPUEngine {
        let file = try GGUFFile(path: path)
        return try CPUEngine(file: file, tokenizer: SilentTokenizer(), options: .init(precision: precision))
    }

    /// Transformers' logits of the prompt, (token, vocabulary).
    func expectedLogits() throws -> [Float] {
        try Data(contentsOf: Self.folder.appending(path: logits)).withUnsafeBytes {
            Array($0.bindMemory(to: Float.self))
        }
    }
}

/// A tokenizer for models whose text does not matter.
struct SilentTokenizer: Tokenizer {
    var beginning: TokenID? { nil }
    var endings: Set<TokenID> { [] }
    var addsBeginning: Bool { false }
    var digest: Digest256 { Digest256(of: Data()) }
    func encode(_ text: String, special: Bool) -> [TokenID] { [] }
    func bytes(of token: TokenID, special: Bool) -> [UInt8] { [] }
}
