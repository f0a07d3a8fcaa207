// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport

@testable import TesseraRuntime

/// The four vocabularies of `Fixtures/tokenizers`, and what the reference libraries make of their strings.
enum TokenizerFixture: String, CaseIterable, Sendable {
    case gpt2, llama3, qwen2, spm

    static let folder = fixtures.appending(path: "tokenizers")

    static let goldens = Result {
        try JSONDecoder().decode(Goldens.self, from: Data(contentsOf: folder.appending(path: "goldens.json")))
    }

    var path: String { Self.folder.appending(path: "\(rawValue).gguf").path }

    func file() throws -> GGUFFile { try GGUFFile(path: path) }

    func tokenizer() throws -> any Tokenizer { try GGUFTokenizer.make(from: file()) }

    /// Ids by tokenizer and string; the latter two hold only what differs from the first and from the string.
    struct Goldens: Decodable, Sendable {
        let strings: [String]
        let plain: [String: [[TokenID]]]
        let special: [String: [Int: [TokenID]]]
        let decoded: [String: [Int: String]]
    }
}
