// SPDX-License-Identifier: Apache-2.0

internal import Logging
public import TesseraKV
public import TesseraRetrieval
internal import TesseraStore

extension ContextCache {
    /// Computes and keeps the KV of a chunk as it reads behind other chunks.
    ///
    /// Cache-Craft (Agarwal et al., SIGMOD 2025), §3, with the chunks chosen ahead of any request as in FusionRAG (arXiv
    /// 2601.12904), §4: what is stored is the KV, and the attention that it paid to what stood before it. Nothing happens
    /// where the store has this variant already.
    ///
    /// - Parameters:
    ///   - chunk: The ids of the chunk.
    ///   - neighbours: The ids of the chunks in front of it, in order, at least one that is not empty; those in front are
    ///     left out where the model's context is too short for all.
    /// - Returns: Whether it was computed.
    /// - Throws: ``TesseraError`` as ``ingest(chunks:progress:)``.
    @discardableResult
    public func ingest(chunk: [TokenID], behind neighbours: [[TokenID]]) async throws(TesseraError) -> Bool {
        guard !chunk.isEmpty, let fitting = fitting(neighbours, before: chunk) else { return false }
        let before = fitting.map { key(of: $0) }
        let own = key(of: chunk)
        guard !variants(of: own, tokens: chunk).contains(where: { $0.behind == before }) else { return false }
        let encoder = chunkEncoder
        let encoded = try await compute { () throws(TesseraError) in try encoder.encode(chunk, behind: fitting) }
        try put([record(of: encoded, behind: before)])
        knownVariants[own] = nil
        return true
    }

    /// Those of some chunks that the model's context has room for in front of a chunk, the nearest first to stay; nil for
    /// none.
    func fitting(_ neighbours: [[TokenID]], before chunk: [TokenID]) -> [[TokenID]]? {
        var room = chunkEncoder.room - chunk.count
        let fitting = neighbours.filter { !$0.isEmpty }.reversed().prefix { neighbour in
            room -= neighbour.count
            return room >= 0
        }.reversed()
        return fitting.isEmpty ? nil : Array(fitting)
    }

    /// Computes and keeps, for every chunk of an index, its KV behind the chunks that are most like it.
    ///
    /// FusionRAG (arXiv 2601.12904), §4, encodes each chunk behind about ten chunks that are retrieved for it. Here they are
    /// retrieved by the index's own ranking, the likest next to the chunk. It can be stopped at any time and begun again.
    ///
    /// - Parameters:
    ///   - index: An index that is up to date.
    ///   - paths: Files and folders whose documents are wanted; nil for all.
    ///   - count: Chunks in front of each.
    ///   - fit: End where the store's cap is reached instead of refusing.
    ///   - progress: Told after each chunk that was computed.
    /// - Returns: What was computed; all of it is on disk.
    /// - Throws: ``TesseraError`` as ``ingest(chunks:progress:)``.
    @discardableResult
    public func warmBehindNeighbours(
        _ index: DocumentIndex, under paths: [String]? = nil, count: Int, fit: Bool = false,
        progress: ((IngestProgress) -> Void)? = nil
    ) async throws(TesseraError) -> IngestProgress {
        var done = IngestProgress()
        guard count > 0 else { return done }
        var seen: Set<ChunkKey> = []
        for try await chunk in try index.chunks(under: paths) where seen.insert(key(of: chunk.tokens)).inserted {
            try Self.checkCancelled()
            let like = try await similar(to: chunk, in: index, under: paths, count: count)
            do throws(TesseraError) {
                guard try await ingest(chunk: chunk.tokens, behind: like.reversed()) else { continue }
            } catch {
                guard fit, error.code == .full else { throw error }
                log.notice("the cap is reached: the other chunks are not kept behind their neighbours")
                break
            }
            done.chunks += 1
            done.tokens += chunk.tokens.count
            done.bytes += recordBytes(tokens: chunk.tokens.count)
            progress?(done)
        }
        return done
    }

    /// The chunks that are most like a chunk, the likest first.
    func similar(
        to chunk: DocumentChunk, in index: DocumentIndex, under paths: [String]?, count: Int
    ) async throws(TesseraError) -> [[TokenID]] {
        let hits = try await index.retrieve(chunk.text, limit: count + 1, neighbours: 0, under: paths)
        return hits.map { $0.tokens ?? tokenizer.encode($0.text, special: false) }
            .filter { $0 != chunk.tokens }.prefix(count).map { $0 }
    }

    static func checkCancelled() throws(TesseraError) {
        if Task.isCancelled { throw TesseraError(.cancelled, "the warm-up was cancelled") }
    }
}
