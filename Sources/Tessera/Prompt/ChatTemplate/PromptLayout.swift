// SPDX-License-Identifier: Apache-2.0

/// The order of a prompt's segments, and the template's text between them.
///
/// Segments are tokenised each alone, without special tokens; glue is tokenised with them and is never cached.
struct PromptLayout: Sendable, Equatable {
    /// A part of a prompt.
    enum Piece: Sendable, Equatable {
        /// The template's own text; the names of special tokens in it stand for those tokens.
        case glue(String)
        /// The system text.
        case system
        /// One of the earlier turns, by its number.
        case turn(Int)
        /// All contexts, in order, with nothing between them.
        case contexts
        /// The question.
        case question
    }

    /// The parts, in order.
    let pieces: [Piece]

    /// The segments as they are, with nothing added: what stands in where there is no template.
    static let plain = plain(turns: 0)

    /// The same with earlier turns.
    static func plain(turns: Int) -> PromptLayout {
        PromptLayout(pieces: [.system] + (0..<turns).map { .turn($0) } + [.contexts, .question])
    }

    /// The text of a whole prompt, for showing it; token ids are spliced segment by segment instead.
    func text(system: String, turns: [String] = [], contexts: [String], question: String) -> String {
        pieces.map { piece in
            switch piece {
            case .glue(let text): text
            case .system: system
            case .turn(let number): turns[number]
            case .contexts: contexts.joined()
            case .question: question
            }
        }.joined()
    }
}
