// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A prompt whose contexts share their positions: the recipe's prefix, the contexts side by side, then all the rest.
///
/// APE (Yang et al., ICLR 2025), §4.1: contexts were encoded behind the recipe's prefix, so the prompt has to begin with
/// that very prefix; the text that stood in front of the contexts, as far as it is not the prefix, follows them.
/// Everything behind the contexts goes on from the end of the longest one.
struct ParallelLayout: Sendable, Equatable {
    /// All ids, in the order of slots.
    var ids: [TokenID]
    /// The slots of each context, one block.
    var contexts: [Range<Int>]
    /// The position of each slot.
    var positions: [Int32]
    /// The position behind the last token.
    var nextPosition: Int32

    /// Lays a prompt out.
    ///
    /// - Parameters:
    ///   - tokens: The prompt with its contexts one behind the other.
    ///   - prefix: The recipe's tokens.
    init(_ tokens: PromptTokens, behind prefix: [TokenID]) {
        var leading = tokens.leading
        if leading.starts(with: prefix) {
            leading = leading.dropFirst(prefix.count)
        } else if let first = prefix.first, leading.first == first {
            // The beginning of the sequence stands in front exactly once.
            leading = leading.dropFirst()
        }
        ids = prefix
        contexts = []
        positions = prefix.indices.map { Int32($0) }
        var longest = 0
        for context in tokens.contexts {
            contexts.append(ids.count..<ids.count + context.count)
            ids += tokens.ids[context]
            positions += (0..<context.count).map { Int32(prefix.count + $0) }
            longest = max(longest, context.count)
        }
        let rest = Array(leading) + tokens.ids[(tokens.contexts.last?.upperBound ?? tokens.leading.endIndex)...]
        let start = prefix.count + longest
        positions += rest.indices.map { Int32(start + $0) }
        ids += rest
        nextPosition = Int32(start + rest.count)
    }

    /// The slots of all contexts.
    var block: Range<Int> {
        (contexts.first?.lowerBound ?? 0)..<(contexts.last?.upperBound ?? 0)
    }
}
