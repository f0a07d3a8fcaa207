// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What an open store holds: its folder, the database and the catalog.
final class StoreSession: Sendable {
    let directory: StoreDirectory
    let database: RocksDatabase
    let catalog: Catalog
    let files: SegmentFiles
    let memory: MemoryPool
    let hot: HotTier

    init(
        directory: StoreDirectory, database: RocksDatabase, catalog: Catalog, files: SegmentFiles, budget: MemoryBudget
    ) {
        (self.directory, self.database, self.catalog, self.files) = (directory, database, catalog, files)
        memory = MemoryPool(limit: budget.idle)
        hot = HotTier(capacity: budget.hot)
    }

    /// Reads layers that follow each other; nil when they aren't what the header says.
    func layers(_ layers: Range<Int>, of chunk: StoredChunk) throws(TesseraError) -> LayerBytes? {
        do {
            return try LayerReader(chunk, self).read(layers, from: memory)
        } catch  where error.code == .notFound {
            return nil
        }
    }

    /// A record's header, decoded; nil when there is none.
    ///
    /// - Parameter namespace: The one namespace whose headers are decoded, all others being as good as none; nil for any.
    func header(_ key: ChunkKey, namespace: String? = nil) throws(TesseraError) -> RecordHeader? {
        try database.withValue(StoreKey.header(key)) { (bytes) throws(TesseraError) -> RecordHeader? in
            if let namespace, !RecordHeader.isOf(namespace, peeking: bytes) { return nil }
            return try RecordHeader(bytes, for: key)
        } ?? nil
    }

    /// Whether a record is to stay whatever room is needed.
    func isPinned(_ key: ChunkKey) throws(TesseraError) -> Bool {
        try database.withValue(StoreKey.pin(key)) { (_) throws(TesseraError) in true } ?? false
    }

    /// Whether the header under a key speaks of a namespace, unverified.
    func holds(_ key: ChunkKey, namespace: String) throws(TesseraError) -> Bool {
        try database.withValue(StoreKey.header(key)) { (bytes) throws(TesseraError) in
            RecordHeader.isOf(namespace, peeking: bytes)
        } ?? false
    }

    /// A record's header, if nothing that belongs to it is missing; nil when there is none.
    ///
    /// - Throws: `corrupt` when the header is damaged, or the small record without which a variant is none.
    func completeHeader(_ key: ChunkKey, namespace: String? = nil) throws(TesseraError) -> RecordHeader? {
        guard let header = try header(key, namespace: namespace) else { return nil }
        guard try isComplete(header, key) else {
            throw TesseraError(.corrupt, "a variant has lost what it was captured behind")
        }
        return header
    }

    /// Whether the small record of a variant is there and sound; true for any other header.
    func isComplete(_ header: RecordHeader, _ key: ChunkKey) throws(TesseraError) -> Bool {
        guard let chunk = header.variantOwner else { return true }
        do {
            return try database.withValue(StoreKey.variant(key, of: chunk)) { (bytes) throws(TesseraError) in
                _ = try VariantRecord(bytes, for: key, of: chunk)
                return true
            } ?? false
        } catch  where error.code == .corrupt {
            return false
        }
    }

    /// Whether what stands under a key is a variant of a chunk, as far as can be told: also where nothing stands or
    /// the header is damaged.
    func isVariant(_ key: ChunkKey, of chunk: ChunkKey) throws(TesseraError) -> Bool {
        do {
            guard let header = try header(key) else { return true }
            return header.variantOwner == chunk
        } catch  where error.code == .corrupt {
            return true
        }
    }
}
