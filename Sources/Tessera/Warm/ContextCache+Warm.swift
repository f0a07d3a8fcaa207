// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV
public import TesseraRetrieval
internal import TesseraStore

extension ContextCache {
    /// Opens the text index that belongs to this cache's tokenizer and namespace, in the store's folder.
    ///
    /// It may hold any number of folders; ``TesseraRetrieval/DocumentIndex/sync(_:excluding:progress:)`` brings it up
    /// to date with the documents.
    ///
    /// - Parameter options: How documents are cut; each choice has an index of its own. A limit that the model's context
    ///   does not hold is lowered to it.
    /// - Throws: ``TesseraError`` when the index can't be opened or made; `unsupported` beside an encrypted store, unless
    ///   ``ContextCacheOptions/allowsPlainIndex`` says that the documents' text may be there in the clear.
    public nonisolated func documentIndex(options: ChunkingOptions = .init()) throws(TesseraError) -> DocumentIndex {
        guard !store.isEncrypted || self.options.allowsPlainIndex else {
            throw TesseraError(
                .unsupported,
                "the text index would hold the documents in the clear beside the encrypted store \(store.directory.path); "
                    + "allow that with --plain-index, or retrieve on your own through the library")
        }
        let folder = indexFolder
        var options = options
        // A longer chunk could not be encoded behind the recipe.
        options.limit = min(options.limit, max(1, model.contextLength - fingerprint.recipe.count))
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw TesseraError(.io, "can't make \(folder.path): \(error.localizedDescription)")
        }
        let name = "\(options.limit)-\(options.overlap)-\(options.paragraphs.rawValue).index"
        return try DocumentIndex(
            path: folder.appendingPathComponent(name).path, encoder: TokenEncoder(tokenizer), options: options)
    }

    /// What warming the documents of an index would do.
    ///
    /// - Parameters:
    ///   - index: An index that is up to date.
    ///   - paths: Files and folders whose documents are wanted; nil for all.
    public func warmPlan(
        of index: DocumentIndex, under paths: [String]? = nil
    ) async throws(TesseraError) -> WarmPlan {
        var plan = WarmPlan()
        var seen: Set<ChunkKey> = []
        try await forEachPage(of: index, under: paths) { page throws(TesseraError) in
            let fresh = page.map { (key: key(of: $0.tokens), tokens: $0.tokens.count) }.filter {
                seen.insert($0.key).inserted
            }
            for (chunk, isThere) in zip(fresh, try store.contains(fresh.map(\.key))) {
                plan.chunks += 1
                plan.tokens += chunk.tokens
                plan.bytes += recordBytes(tokens: chunk.tokens)
                guard !isThere else { continue }
                plan.missingChunks += 1
                plan.missingTokens += chunk.tokens
                plan.missingBytes += recordBytes(tokens: chunk.tokens)
            }
        }
        plan.documents = try index.documents(under: paths).count
        plan.roomBytes = try store.room(batches: store.batchByteCount(of: namespace), sparing: scope)
        return plan
    }

    /// Computes and keeps the KV of every chunk of an index that the store lacks.
    ///
    /// It can be stopped at any time and begun again: what was kept stays, and is passed over.
    ///
    /// - Parameters:
    ///   - index: An index that is up to date.
    ///   - paths: Files and folders whose documents are wanted; nil for all.
    ///   - fit: Take what fits the store's cap instead of refusing, the chunks that `questions` retrieve most often
    ///     first, then in reading order.
    ///   - questions: A log of what was asked, to know what is used most.
    ///   - progress: Told after each chunk that was computed.
    /// - Returns: What was computed; all of it is on disk.
    /// - Throws: ``TesseraError``: `full` for a plan above the cap or the disk, else as ``ingest(chunks:progress:)``.
    @discardableResult
    public func warm(
        _ index: DocumentIndex, under paths: [String]? = nil, fit: Bool = false, questions: [String] = [],
        progress: ((IngestProgress) -> Void)? = nil
    ) async throws(TesseraError) -> IngestProgress {
        let plan = try await warmPlan(of: index, under: paths)
        guard plan.fits else {
            guard fit else {
                throw TesseraError(
                    .full,
                    "the plan needs \(plan.missingBytes) bytes, and the cap and the disk of \(store.directory.path) leave room "
                        + "for \(plan.roomBytes); raise --disk-cap, free some disk, or take what fits with --fit")
            }
            return try await warmWhatFits(
                index, under: paths, room: plan.roomBytes, questions: questions, progress: progress)
        }
        var total = IngestProgress()
        guard plan.missingChunks > 0 else { return total }
        try await forEachPage(of: index, under: paths) { page throws(TesseraError) in
            let before = total
            let done = try await warm(page.map(\.tokens)) { progress?(before + $0) }
            total = before + done
        }
        return total
    }

    /// Computes and keeps chunks that the store lacks. None of this cache's own is given up for them: a warm-up that pushes
    /// out what it has just computed would never end.
    func warm(
        _ chunks: [[TokenID]], progress: @escaping (IngestProgress) -> Void
    ) async throws(TesseraError) -> IngestProgress {
        try await ingest(chunks.map { PendingRecord(kind: .chunk, tokens: $0) }, sparing: scope, progress: progress)
    }

    /// The same for callers elsewhere.
    package func warm(
        chunks: [[TokenID]], progress: @escaping @Sendable (IngestProgress) -> Void
    ) async throws(TesseraError) -> IngestProgress {
        try await warm(chunks, progress: progress)
    }

    private var scope: RecordScope { RecordScope(fingerprint: fingerprintDigest, namespace: namespace) }

    /// Goes through an index a page at a time; a corpus need not fit in memory.
    func forEachPage(
        of index: DocumentIndex, under paths: [String]?, _ body: ([DocumentChunk]) async throws(TesseraError) -> Void
    ) async throws(TesseraError) {
        var page: [DocumentChunk] = []
        for try await chunk in try index.chunks(under: paths) {
            page.append(chunk)
            if page.count == 256 {
                try await body(page)
                page.removeAll(keepingCapacity: true)
            }
        }
        try await body(page)
    }

    /// The bytes that a chunk of so many tokens takes in the store at most: its layers, whole blocks of them, its header in
    /// RocksDB's log, in a table and in the room for compacting it, and its line in the catalog.
    func recordBytes(tokens: Int) -> Int {
        model.layout.layers * codec.byteCount(tokens: tokens, layout: model.layout) + 16 * tokens + 8192
    }

    private nonisolated var indexFolder: URL {
        // A namespace's documents are its own, down to the statistics that rank them.
        var digester = Digester()
        digester.add(tokenizer.digest)
        digester.add(namespace)
        return store.directory.appendingPathComponent("documents")
            .appendingPathComponent(String(digester.digest().description.prefix(16)))
    }

    /// The options of all indexes that were made with this tokenizer, read off their files' names.
    func indexedOptions() -> [ChunkingOptions] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: indexFolder.path)) ?? []
        return names.filter { $0.hasSuffix(".index") }.compactMap { name in
            let parts = name.dropLast(6).split(separator: "-")
            guard parts.count == 3, let limit = Int(parts[0]), let overlap = Int(parts[1]),
                let paragraphs = ChunkingOptions.Paragraphs(rawValue: String(parts[2]))
            else { return nil }
            return ChunkingOptions(limit: limit, overlap: overlap, paragraphs: paragraphs)
        }
    }
}

extension IngestProgress {
    package static func + (a: IngestProgress, b: IngestProgress) -> IngestProgress {
        IngestProgress(chunks: a.chunks + b.chunks, tokens: a.tokens + b.tokens, bytes: a.bytes + b.bytes)
    }
}
