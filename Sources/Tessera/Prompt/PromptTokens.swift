// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// A prompt as the model reads it: one run of ids, and where its parts lie in it.
package struct PromptTokens: Sendable, Equatable {
    /// All ids, positions 0 … n−1; −1 where a patch of a screenshot stands.
    package internal(set) var ids: [TokenID] = []
    /// The places of the contexts that are not empty, in prompt order.
    package var contexts: [Range<Int>] = []

    /// The screenshots, in prompt order.
    package var frames: [FrameSlots] = []

    /// Whether its beginning is worth a prefix record: one that ends in a conversation does not come again.
    var hasLastingPrefix = true

    /// Where contexts stand, or would stand if there were any; nil for ids that nobody laid out.
    private var contextsStart: Int?

    /// The ids in front of the contexts: what a prefix record can hold.
    var leading: ArraySlice<TokenID> { ids[..<(contexts.first?.lowerBound ?? contextsStart ?? ids.count)] }

    /// Takes ids and places as they are.
    init(ids: [TokenID], contexts: [Range<Int>]) {
        (self.ids, self.contexts) = (ids, contexts)
    }

    /// Splices the segments of a prompt along a layout.
    ///
    /// The beginning-of-sequence token stands in front exactly once: it is added where the model wants it and the
    /// layout did not write it.
    ///
    /// - Parameters:
    ///   - screenshots: The embeddings of the prompt's screenshots, in order, each of shape (patch, model width). With one
    ///     among them, no context is taken for a chunk: what is stored of a chunk knows no screenshots.
    ///   - width: That of the model.
    init(
        _ prompt: Prompt, layout: PromptLayout, tokenizer: any Tokenizer, screenshots: [[Float]] = [], width: Int = 1
    ) {
        var screenshots = screenshots[...]
        hasLastingPrefix = prompt.turns.isEmpty
        for piece in layout.pieces {
            switch piece {
            case .glue(let text): ids += tokenizer.encode(text, special: true)
            case .system: ids += prompt.system.map { Self.encode($0, tokenizer) } ?? []
            case .turn(let number): ids += Self.encode(prompt.turns[number].text, tokenizer)
            case .question: ids += Self.encode(prompt.question, tokenizer)
            case .contexts:
                contextsStart = ids.count
                for context in prompt.contexts {
                    let start = ids.count
                    if case .frame = context, let embeddings = screenshots.popFirst() {
                        ids += Array(repeating: -1, count: embeddings.count / width)
                        frames.append(FrameSlots(slots: start..<ids.count, embeddings: embeddings))
                    } else {
                        ids += Self.encode(context, tokenizer)
                        if start < ids.count, !prompt.hasFrames { contexts.append(start..<ids.count) }
                    }
                }
            }
        }
        if tokenizer.addsBeginning, let beginning = tokenizer.beginning, ids.first != beginning {
            ids.insert(beginning, at: 0)
            contexts = contexts.map { $0.lowerBound + 1..<$0.upperBound + 1 }
            frames = frames.map { $0.shifted }
            contextsStart = contextsStart.map { $0 + 1 }
        }
    }

    private static func encode(_ segment: Prompt.Segment, _ tokenizer: any Tokenizer) -> [TokenID] {
        switch segment {
        case .text(let text): tokenizer.encode(text, special: false)
        case .tokens(let ids): ids
        // A layout has no place for one outside of the contexts.
        case .frame: []
        }
    }
}
