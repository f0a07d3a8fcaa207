// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
package import TesseraRetrieval
package import TesseraStore

extension ContextCache {
    /// Cuts a document into chunks.
    ///
    /// - Parameters:
    ///   - text: The document.
    ///   - format: How it is marked up.
    ///   - options: How it is cut. A limit that the model's context does not hold is lowered to it.
    /// - Returns: The token ids of each chunk, in reading order; none for a document without text.
    /// - Throws: ``TesseraError`` of code `invalidInput` for options out of range and for what is no text.
    package nonisolated func cut(
        _ text: String, format: DocumentFormat, options: ChunkingOptions
    ) async throws(TesseraError) -> [[TokenID]] {
        var options = options
        options.limit = min(options.limit, longestChunk)
        let settled = options
        return try await scheduler.tokenize(bytes: text.utf8.count) { () throws(TesseraError) in
            let chunker = try Chunker(encoder: TokenEncoder(tokenizer), options: settled)
            guard let document = try TextDocument(text: text, format: format) else { return [] }
            do {
                return try chunker.chunks(of: document).map(\.tokens)
            } catch {
                throw error as? TesseraError ?? TesseraError(.invalidInput, "the document can't be cut: \(error)")
            }
        }
    }

    /// The most tokens of a chunk that can be encoded behind the recipe.
    package nonisolated var longestChunk: Int { max(1, model.contextLength - fingerprint.recipe.count) }

    /// Runs work that blocks on the store's disk, apart from the cache's actor and from Swift's cooperative pool.
    package nonisolated func reading<R: Sendable>(
        _ body: @Sendable (ChunkStore) throws(TesseraError) -> R
    ) async throws(TesseraError) -> R {
        let store = store
        return try await scheduler.reading.run { () throws(TesseraError) in try body(store) }
    }
}
