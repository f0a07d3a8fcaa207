// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// The chat template of a model file, in Jinja, as far as a spliced prompt can honour it.
///
/// The template is rendered once, with marks in the places of the system text and of the user's message; what stands
/// around the marks is the layout's glue. So a template may decide by roles, by order and by the presence of a system
/// text, but not by what the segments say: where it trims them, they are spliced untrimmed; where it changes them in any
/// other way, it can't be honoured. Contexts stand in the user's message, before the question. A template without a
/// place for a system text has it at the head of the user's message.
enum ChatTemplate {
    /// The layout that a template gives a prompt.
    ///
    /// - Parameters:
    ///   - template: The template, as `tokenizer.chat_template` holds it.
    ///   - hasSystem: Whether the prompt has a system text; many templates bring one of their own where there is none.
    ///   - beginning: The name of the token that opens a sequence; nil where the model has none.
    ///   - ending: The name of the token that ends a sequence; nil where the model has none.
    ///   - now: The date for templates that write it.
    /// - Throws: ``TesseraError`` of code `unsupported` with the reason why the template can't be honoured.
    static func layout(
        of template: String, hasSystem: Bool, beginning: String?, ending: String?, now: Date = Date()
    ) throws(TesseraError) -> PromptLayout {
        let render = { (messages: [(role: String, mark: String)]) throws(TesseraError) -> String in
            var variables: [String: JinjaValue] = [
                "messages": try .messages(messages), "add_generation_prompt": .bool(true), "tools": .none,
                "documents": .none,
            ]
            if let beginning { variables["bos_token"] = .string(beginning) }
            if let ending { variables["eos_token"] = .string(ending) }
            return try JinjaInterpreter.render(template, variables: variables, now: now)
        }
        do throws(TesseraError) {
            guard hasSystem else {
                return try split(render([("user", userMark)]), at: [(userMark, [.contexts, .question])])
            }
            do throws(TesseraError) {
                return try split(
                    render([("system", systemMark), ("user", userMark)]),
                    at: [(systemMark, [.system]), (userMark, [.contexts, .question])])
            } catch {
                // Without a place for a system text: refused, or left out.
                guard
                    let layout = try? split(
                        render([("user", userMark)]), at: [(userMark, [.system, .contexts, .question])])
                else { throw error }
                return layout
            }
        } catch {
            throw TesseraError(
                .unsupported,
                "the model's chat template can't be honoured: \(error.message); give one that can with --template")
        }
    }

    // Capitals and quotes, so that a filter that changes or escapes text destroys the mark and is noticed.
    private static let systemMark = "\u{E000}Tessera \"System\"\u{E001}"
    private static let userMark = "\u{E000}Tessera \"User\"\u{E001}"

    /// The layout of a rendered text in which each mark stands exactly once, in this order.
    private static func split(
        _ text: String, at marks: [(mark: String, pieces: [PromptLayout.Piece])]
    ) throws(TesseraError) -> PromptLayout {
        var pieces: [PromptLayout.Piece] = []
        var rest = text
        for (mark, segments) in marks {
            let parts = rest.components(separatedBy: mark)
            guard parts.count == 2 else {
                let fate = parts.count > 2 ? "more than once" : "changed, out of order, or not at all"
                throw .template("it writes the \(segments == [.system] ? "system text" : "user's message") \(fate)")
            }
            if !parts[0].isEmpty { pieces.append(.glue(parts[0])) }
            pieces += segments
            rest = parts[1]
        }
        if !rest.isEmpty { pieces.append(.glue(rest)) }
        guard !text.replacing(marks.map(\.mark)).contains("\u{E000}") else {
            throw .template("it writes a part of a message where the whole belongs")
        }
        return PromptLayout(pieces: pieces)
    }
}

extension String {
    fileprivate func replacing(_ parts: [String]) -> String {
        parts.reduce(self) { $0.replacingOccurrences(of: $1, with: "") }
    }
}

extension JinjaValue {
    fileprivate static func messages(_ messages: [(role: String, mark: String)]) throws(TesseraError) -> JinjaValue {
        var values: [JinjaValue] = []
        for message in messages {
            values.append(
                .dictionary(
                    try JinjaDictionary([("role", .string(message.role)), ("content", .string(message.mark))])))
        }
        return .list(try JinjaList(values))
    }
}
