// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

/// What jinja2 makes of templates (`Fixtures/goldens/chat_templates.py`).
struct ChatTemplateGoldens: Decodable {
    struct Chat: Decodable, CustomTestStringConvertible {
        let name: String
        let template: String
        let beginning: String?
        let ending: String?
        let withSystem: String
        let withoutSystem: String
        let withTurns: String

        var testDescription: String { name }
    }

    struct Snippet: Decodable, CustomTestStringConvertible {
        let template: String
        let text: String

        var testDescription: String { template }
    }

    let now: Date
    let system: String
    let contexts: String
    let question: String
    /// Role and text of each earlier turn.
    let turns: [[String]]
    let chats: [Chat]
    let snippets: [Snippet]

    static let all: ChatTemplateGoldens = {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .secondsSince1970
        do {
            let data = try Data(contentsOf: fixtures.appending(path: "goldens/chat_templates.json"))
            return try decoder.decode(ChatTemplateGoldens.self, from: data)
        } catch {
            preconditionFailure("the goldens of chat templates can't be read: \(error)")
        }
    }()
}
