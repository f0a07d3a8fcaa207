// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

@testable import TesseraRetrieval

@Suite struct `Relevance` {
    /// The figures are exact, so that any change of ranking shows; raise them, or say in the commit why not.
    @Test func `is good on a small folder of text, Markdown and HTML`() async throws {
        try await withWorkplace { place in
            for (name, text) in RelevanceCorpus.documents { try place.write(text, to: name) }
            let index = try place.index()
            try index.sync([place.documents.path])
            #expect(try index.documents().count == 30)
            var (first, firstFive) = (0, 0)
            for (question, name) in RelevanceCorpus.questions {
                let names = try await index.names(question)
                if names.first == name { first += 1 }
                if names.contains(name) { firstFive += 1 }
            }
            #expect(RelevanceCorpus.questions.count == 36)
            #expect(first == 36)
            #expect(firstFive == 36)
        }
    }
}
