// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Tessera
internal import TesseraAPI

extension Prompt {
    /// A conversation as a prompt: system texts first, the question last, the contexts beside it.
    ///
    /// - Throws: ``APIFailure`` of status 400 for messages in another order, and for roles that are none.
    init(_ messages: [ChatMessage], contexts: [Segment]) throws(APIFailure) {
        let systems = messages.prefix { $0.role == "system" || $0.role == "developer" }
        guard let question = messages.last, messages.count > systems.count, question.role == "user" else {
            throw APIFailure(
                .badRequest, "the last message has to be the user's", code: "invalidInput", param: "messages")
        }
        var turns: [Turn] = []
        for (number, message) in messages.enumerated().dropFirst(systems.count).dropLast() {
            guard let role = Turn.Role(rawValue: message.role) else {
                throw APIFailure(
                    .badRequest,
                    "behind the first messages, which may be the system's, roles are user and assistant, not \(message.role)",
                    code: "unsupported", param: "messages[\(number)].role")
            }
            turns.append(Turn(role, .text(message.content)))
        }
        self.init(
            system: systems.isEmpty ? nil : .text(systems.map(\.content).joined(separator: "\n\n")), turns: turns,
            contexts: contexts, question: .text(question.content))
    }
}
