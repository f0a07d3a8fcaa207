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
        var company = ScoreCompany(
            passes: passes, count: count, first: try await firstChunks(of: index, under: paths, passes * count + 1))
        var seen: Set<ChunkKey> = []
        for try await chunk in try index.chunks(under: paths) {
            defer { company.pass(chunk) }
            let own = key(of: chunk.tokens)
            guard seen.insert(own).inserted else { continue }
            try Self.checkCancelled()
            let known = scoreNote(of: own, tokens: chunk.tokens.count)?.passes ?? 0
            guard known < company.most else { continue }
            let like = try await similar(to: chunk, in: index, under: paths, count: company.most * count)
            let bytes = try await noteScores(
                of: chunk.tokens, behind: Array(company.runs(of: chunk, like: like).dropFirst(known)))
            guard bytes > 0 else { continue }
            done.chunks += 1
            done.tokens += chunk.tokens.count
            done.bytes += bytes
            progress?(done)
        }
        return done
    }

    /// An index's first chunks, each text once.
    private func firstChunks(
        of index: DocumentIndex, under paths: [String]?, _ count: Int
    ) async throws(TesseraError) -> [[TokenID]] {
        var first: [[TokenID]] = []
        for try await chunk in try index.chunks(under: paths) where !first.contains(chunk.tokens) {
            first.append(chunk.tokens)
            if first.count == count { break }
        }
        return first
    }
}

/// Whom a chunk is seen behind.
private struct ScoreCompany {
    /// In how many contexts a chunk can be seen; fewer than asked for where there are not enough chunks.
    let most: Int
    private let count: Int
    /// The index's first chunks, for those that are like no other.
    private let first: [[TokenID]]
    /// The chunks that were passed last, the latest first.
    private var before: [DocumentChunk] = []

    init(passes: Int, count: Int, first: [[TokenID]]) {
        self.count = count
        self.first = first
        most = min(passes, 255, (first.count - 1 + count - 1) / count)
    }

    /// Goes on to the next chunk.
    mutating func pass(_ chunk: DocumentChunk) {
        before = [chunk] + before.prefix(count - 1)
    }

    /// Runs of chunks that a chunk is seen behind, each in the order that it has in a prompt: the chunks before it in its
    /// document with the nearest last, then those that are most like it, then any others.
    func runs(of chunk: DocumentChunk, like: [[TokenID]]) -> [[[TokenID]]] {
        let near = before.prefix { $0.source.document == chunk.source.document }.map(\.tokens)
        var seen: Set = [chunk.tokens]
        let company = (near + like + first).filter { seen.insert($0).inserted }.prefix(most * count)
        return stride(from: 0, to: company.count, by: count).map { company.dropFirst($0).prefix(count).reversed() }
    }
}
