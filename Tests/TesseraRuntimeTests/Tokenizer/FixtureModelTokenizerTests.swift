// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRuntime

struct FixtureModelTokenizerTests {
    static let model = fixtures.appending(path: "models/rag-mini.gguf")
    static let goldens = TokenizerFixture.folder.appending(path: "rag-mini.json")

    @Test(.enabled(if: FileManager.default.fileExists(atPath: model.path)))
    func `the fixture model's tokenizer gives the ids that it was trained on`() throws {
        let tokenizer = try GGUFTokenizer.make(from: GGUFFile(path: Self.model.path))
        let expected = try JSONDecoder().decode([[TokenID]].self, from: Data(contentsOf: Self.goldens))
        let all = try TokenizerFixture.goldens.get().strings
        let strings = stride(from: 0, to: all.count, by: 5).map { all[$0] }
        #expect(strings.count == expected.count)
        for (text, ids) in zip(strings, expected) {
            #expect(tokenizer.encode(text, special: false) == ids, "\(text.debugDescription)")
            #expect(Array(tokenizer.decode(ids).utf8) == Array(text.utf8), "\(text.debugDescription)")
        }
        #expect(tokenizer.addsBeginning)
        #expect(tokenizer.beginning.map { tokenizer.encode("<s>", special: true) == [$0] } == true)
        #expect(tokenizer.encode("</s>", special: true).allSatisfy(tokenizer.endings.contains))
    }
}
