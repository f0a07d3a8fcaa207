// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
internal import TesseraStore

/// What a server needs beside the library's own calls. Nothing here waits for the cache's actor.
extension ContextCache {
    /// A prompt's ids.
    ///
    /// - Parameters:
    ///   - prompt: System text, earlier turns, contexts and question.
    ///   - laidOut: Whether the prompt template lays it out; without it the segments follow each other as they are, behind
    ///     the beginning-of-sequence token where the model wants one.
    /// - Throws: ``TesseraError``: `invalidInput` for what the template has no place for and for ids beyond the vocabulary.
    package nonisolated func tokens(
        of prompt: Prompt, laidOut: Bool
    ) async throws(TesseraError) -> PromptTokens {
        for case .tokens(let ids) in prompt.contexts + [prompt.question] + (prompt.system.map { [$0] } ?? []) {
            try checkVocabulary(ids)
        }
        let bytes = prompt.textBytes
        @Sendable func tokens() throws(TesseraError) -> PromptTokens {
            laidOut ? try promptTokens(prompt) : PromptTokens(prompt, layout: .plain, tokenizer: tokenizer)
        }
        // A short one takes less than two changes of threads, and there is one in a request.
        if bytes <= Self.shortPrompt { return try tokens() }
        return try await scheduler.tokenize(bytes: bytes, tokens)
    }

    private static var shortPrompt: Int { 2048 }

    /// The ids of a text.
    package nonisolated func tokens(of text: String, special: Bool) async throws(TesseraError) -> [TokenID] {
        try await scheduler.tokenize(bytes: text.utf8.count) { () throws(TesseraError) in
            tokenizer.encode(text, special: special)
        }
    }

    /// The ids of a stored chunk.
    ///
    /// - Throws: ``TesseraError`` of code `notFound` for a key that this namespace does not have.
    package nonisolated func tokens(ofChunk key: ChunkKey) throws(TesseraError) -> [TokenID] {
        guard let record = try store.lookup(key, fingerprint: fingerprintDigest, namespace: namespace) else {
            throw TesseraError(
                .notFound, "the store has no chunk \(key) here; send its tokens or its text, or ingest it again")
        }
        return record.tokens
    }

    /// Refuses ids that the model does not have.
    package nonisolated func checkVocabulary(_ ids: [TokenID]) throws(TesseraError) {
        if let stranger = ids.first(where: { $0 < 0 || Int($0) >= model.vocabulary }) {
            throw TesseraError(
                .invalidInput, "the token id \(stranger) is not in the model's vocabulary of \(model.vocabulary)")
        }
    }
}
