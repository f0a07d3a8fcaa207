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
    ///   - turns: Who spoke before the user's message, in order.
    ///   - beginning: The name of the token that opens a sequence; nil where the model has none.
    ///   - ending: The name of the token that ends a sequence; nil where the model has none.
    ///   - now: The date for templates that write it.
    /// - Throws: ``TesseraError`` of code `unsupported` with the reason why the template can't be honoured.
    static func layout(
        of template: String, hasSystem: Bool, turns: [Prompt.Turn.Role] = [], beginning: String?, ending: String?,
        now: Date = Date()
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
            let before = turns.enumerated().map {
                (role: $1.rawValue, mark: mark(of: $0), piece: PromptLayout.Piece.turn($0))
            }
            let messages = before.map { ($0.role, $0.mark) } + [("user", userMark)]
            let places = before.map { ($0.mark, [$0.piece]) } + [(userMark, [.contexts, .question])]
            guard hasSystem else { return try split(render(messages), at: places) }
            do throws(TesseraError) {
                return try split(
                    render([("system", systemMark)] + messages), at: [(systemMark, [.system])] + places)
            } catch {
                // Without a place for a system text: refused, or left out.
                var headed = places
                headed[0].1.insert(.system, at: 0)
                guard let layout = try? split(render(messages), at: headed) else { throw error }
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
    private static func mark(of turn: Int) -> String { "\u{E000}Tessera \"Turn \(turn)\"\u{E001}" }
    private static let userMark = "\u{E000}Tessera \"User\"\u{E001}"

    /// The layout of a rendered text in which each mark stands exactly once; in which order is the template's affair.
    private static func split(
        _ text: String, at marks: [(mark: String, pieces: [PromptLayout.Piece])]
    ) throws(TesseraError) -> PromptLayout {
        var places: [(range: Range<String.Index>, pieces: [PromptLayout.Piece])] = []
        for (mark, segments) in marks {
            let found = text.ranges(of: mark)
            guard found.count == 1 else {
                let fate = found.count > 1 ? "more than once" : "changed or not at all"
                throw .template("it writes the \(segments == [.system] ? "system text" : "user's message") \(fate)")
            }
            places.append((found[0], segments))
        }
        places.sort { $0.range.lowerBound < $1.range.lowerBound }
        var pieces: [PromptLayout.Piece] = []
        var rest = text[...]
        for (range, segments) in places {
            let glue = rest[..<range.lowerBound]
            if !glue.isEmpty { pieces.append(.glue(String(glue))) }
            pieces += segments
            rest = text[range.upperBound...]
        }
        if !rest.isEmpty { pieces.append(.glue(String(rest))) }
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
