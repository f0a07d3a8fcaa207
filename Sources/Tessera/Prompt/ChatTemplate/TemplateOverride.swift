// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

extension PromptLayout {
    /// The layout of a template that a user gave: text with `{contexts}` and `{question}`, and `{system}` where there
    /// is a system text. Doubled braces stand for braces.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` that names the segment that is missing, doubled or unknown.
    init(userTemplate text: String) throws(TesseraError) {
        let segments: [(name: String, piece: Piece)] = [
            ("system", .system), ("contexts", .contexts), ("question", .question),
        ]
        var pieces: [Piece] = []
        var glue = ""
        var rest = Substring(text)
        while let brace = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
            glue += rest[..<brace]
            rest = rest[brace...]
            if rest.hasPrefix("{{") || rest.hasPrefix("}}") {
                glue.append(rest.removeFirst())
                rest.removeFirst()
                continue
            }
            guard let segment = segments.first(where: { rest.hasPrefix("{\($0.name)}") }) else {
                throw TesseraError(
                    .invalidInput,
                    "the template has a brace that opens none of {system}, {contexts} and {question}; "
                        + "write {{ or }} for a brace")
            }
            guard !pieces.contains(segment.piece) else {
                throw TesseraError(.invalidInput, "the template has {\(segment.name)} twice; each stands once")
            }
            if !glue.isEmpty { pieces.append(.glue(glue)) }
            glue = ""
            pieces.append(segment.piece)
            rest.removeFirst(segment.name.count + 2)
        }
        glue += rest
        if !glue.isEmpty { pieces.append(.glue(glue)) }
        for segment in segments.dropFirst() where !pieces.contains(segment.piece) {
            throw TesseraError(.invalidInput, "the template lacks {\(segment.name)}; say where it stands")
        }
        self.init(pieces: pieces)
    }

    /// Whether there is a place for a system text.
    var hasSystem: Bool { pieces.contains(.system) }
}
