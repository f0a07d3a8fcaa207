// SPDX-License-Identifier: Apache-2.0

public import TesseraKV
public import TesseraRetrieval
internal import TesseraReuse

extension ContextCache {
    /// Takes down, for every chunk of an index, what ``StoredScore`` goes by, without keeping any KV.
    ///
    /// Cache-Craft (Agarwal et al., SIGMOD 2025), §3, sees a chunk's attention in the request that first computes it. A
    /// token that one context binds another may leave alone, so here each chunk is seen in several: first behind the
    /// chunks before it in its own document, then behind those of other places that are most like it. It can be stopped at
    /// any time and begun again.
    ///
    /// - Parameters:
    ///   - index: An index that is up to date.
    ///   - paths: Files and folders whose documents are wanted; nil for all.
    ///   - passes: In how many contexts each chunk is seen; fewer where the index has not enough chunks.
    ///   - count: Chunks in front of it in each.
    ///   - progress: Told after each chunk that was seen.
    /// - Returns: What was seen; all of it is on disk.
    /// - Throws: ``TesseraError`` as ``ingest(chunks:progress:)``.
    @discardableResult
    public func warmScores(
        _ index: DocumentIndex, under paths: [String]? = nil, passes: Int = 4, behind count: Int = 3,
        progress: ((IngestProgress) -> Void)? = nil
    ) async throws(TesseraError) -> IngestProgress {
        var done = IngestProgress()
        guard passes > 0, count > 0 else { return done }
        let chunks = try await distinctChunks(of: index, under: paths)
        let wanted = min(passes, (chunks.count - 1 + count - 1) / count, 255)
        for (place, chunk) in chunks.enumerated() where wanted > 0 {
            try Self.checkCancelled()
            let known = scoreNote(of: key(of: chunk.tokens), tokens: chunk.tokens.count)?.passes ?? 0
            guard known < wanted else { continue }
            let others = try await company(
                of: place, in: chunks, index, under: paths, count: wanted * count, ofItsDocument: count)
            let runs = stride(from: known * count, to: wanted * count, by: count).map { start in
                Array(others.dropFirst(start).prefix(count).reversed())
            }
            let bytes = try noteScores(of: chunk.tokens, behind: runs)
            guard bytes > 0 else { continue }
            done.chunks += 1
            done.tokens += chunk.tokens.count
            done.bytes += bytes
            progress?(done)
        }
        saveRates()
        return done
    }

    /// The chunks that a chunk is seen behind, the first of them the nearest before it in its document, then those that are
    /// most like it, then what is left from its place on.
    private func company(
        of place: Int, in chunks: [DocumentChunk], _ index: DocumentIndex, under paths: [String]?, count: Int,
        ofItsDocument near: Int
    ) async throws(TesseraError) -> [[TokenID]] {
        let own = chunks[place]
        let before = chunks[..<place].reversed().prefix { $0.source.document == own.source.document }
        let like = try await similar(to: own, in: index, under: paths, count: count)
        var seen: Set = [own.tokens]
        var company: [[TokenID]] = []
        for tokens in before.prefix(near).map(\.tokens) + like + (chunks[place...] + chunks[..<place]).map(\.tokens)
        where seen.insert(tokens).inserted {
            company.append(tokens)
            if company.count == count { break }
        }
        return company
    }
}
