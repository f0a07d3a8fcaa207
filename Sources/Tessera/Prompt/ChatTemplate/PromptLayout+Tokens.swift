// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension PromptLayout {
    /// A part of a prompt, its glue as token ids.
    enum EncodedPiece: Sendable, Equatable {
        case glue([TokenID])
        case system
        case contexts
        case question
    }

    /// The parts with their glue encoded, and one opening token where the model wants one: the glue's own if it begins
    /// with it, else one put in front. Opening tokens that the template writes further on are its own affair: in some
    /// vocabularies the same token opens every message.
    func encoded(with tokenizer: any Tokenizer) -> [EncodedPiece] {
        var encoded: [EncodedPiece] = []
        for piece in pieces {
            switch piece {
            case .glue(let text): encoded.append(.glue(tokenizer.encode(text, special: true)))
            case .system: encoded.append(.system)
            case .contexts: encoded.append(.contexts)
            case .question: encoded.append(.question)
            }
        }
        guard tokenizer.addsBeginning, let beginning = tokenizer.beginning else { return encoded }
        guard case .glue(let first) = encoded.first else { return [.glue([beginning])] + encoded }
        if first.first != beginning { encoded[0] = .glue([beginning] + first) }
        return encoded
    }
}
