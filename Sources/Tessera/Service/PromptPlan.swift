// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
package import TesseraReuse

/// A part of a prompt, as a runtime elsewhere names it.
package enum PlanSegment: Sendable, Equatable {
    /// Tokens that are computed or belong to a stored leading run: system text, glue, the question.
    case text([TokenID])
    /// A chunk by its tokens.
    case chunk([TokenID])
    /// A chunk by its key, which ingest or warm-up returned.
    case stored(ChunkKey)
}

/// What is decided for a prompt that another runtime will compute.
package struct PromptPlan: Sendable {
    /// A chunk of the prompt.
    package struct Chunk: Sendable {
        /// The key of the chunk encoded alone.
        package var key: ChunkKey
        /// Its slots, which are its positions too.
        package var slots: Range<Int>
        /// What was decided for it.
        package var decision: ContextDecision
    }

    /// How the prompt comes about.
    package var assembly: Assembly
    /// Why this way.
    package var reason: String
    /// Tokens of the whole prompt.
    package var promptTokens: Int
    /// Tokens of a stored leading run.
    package var prefixTokens: Int
    /// The chunks, in prompt order.
    package var chunks: [Chunk]
    /// The reused tokens to compute anew: known now, or to be measured while the prompt is computed.
    package var selection: SelectionPlan

    /// Whether a chunk's stored KV is used.
    package func reuses(_ chunk: Chunk) -> Bool {
        chunk.decision.source == .isolated || chunk.decision.source == .contextual
    }
}
