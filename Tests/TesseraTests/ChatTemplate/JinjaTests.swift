// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tessera

@Suite struct `Jinja` {
    @Test(arguments: ChatTemplateGoldens.all.snippets)
    func `writes what jinja2 writes`(_ snippet: ChatTemplateGoldens.Snippet) throws {
        let text = try JinjaInterpreter.render(snippet.template, variables: [:], now: ChatTemplateGoldens.all.now)
        #expect(text.unicodeScalars.elementsEqual(snippet.text.unicodeScalars), "\(text.debugDescription)")
    }
}
