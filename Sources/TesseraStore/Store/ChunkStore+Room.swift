// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
package import TesseraKV

extension ChunkStore {
    /// Bytes that the store's folder takes on disk, everything in it counted.
    package func diskUsage() throws(TesseraError) -> Int {
        try session().directory.byteCount()
    }

    /// Bytes of records that can still be written, in batches of so many bytes, without giving up any of a scope, or any at
    /// all: under the cap, where there is one, and above the disk's floor.
    package func room(batches batchBytes: Int, sparing scope: RecordScope? = nil) throws(TesseraError) -> Int {
        try writing { (session, ledger) throws(TesseraError) in
            var free = session.directory.freeByteCount() - options.freeDiskFloor
            let cap = Int(clamping: ledger.state.diskCap)
            if cap > 0 {
                let others = try scope.map { (scope) throws(TesseraError) in
                    try session.catalog.idleByteCount(outside: scope)
                }
                free = min(free, cap - used(session, ledger) + (others ?? 0))
            }
            if let scope, let quota = options.eviction.quotas[scope.namespace] {
                free = min(free, quota - (try session.catalog.byteCount(of: scope)))
            }
            // What `makeRoom` wants for a batch beside its layers: headers, twice, and the catalog's log.
            return max(0, free - reserve(session, ledger) - batchBytes / 8 - (1 << 20))
        }
    }

    /// Makes room for records; see ``makeRoom(for:sparing:_:_:)-(Int,_,_,_)``.
    func makeRoom(
        for records: [OutgoingRecord], sparing scope: RecordScope?, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        let layers = records.reduce(0) { $0 + $1.allocated }
        // In RocksDB's log and in its tables.
        let headers = records.reduce(0) { $0 + 4 * $1.header.tokens.count + 16 * $1.header.layers.count + 512 }
        let variants = records.reduce(0) { $0 + ($1.variant?.byteCount ?? 0) }
        let catalog = session.catalog.logByteCount(records: records.count)
        try keepToQuotas(for: records, sparing: scope, session, &ledger)
        try makeRoom(for: layers + 2 * headers + 2 * variants + catalog, sparing: scope, session, &ledger)
    }

    /// Makes room for a write of so many bytes: gives up records that the policy chooses until the folder, with all that
    /// its databases may need on the way, stays under its cap.
    ///
    /// - Throws: `full` when it can't be: nothing has been given up then if that was clear beforehand. Also when the disk
    ///   would go below its floor; giving up records because others fill the disk would empty the store for nothing.
    func makeRoom(
        for needed: Int, sparing scope: RecordScope? = nil, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        guard session.directory.freeByteCount() - needed >= options.freeDiskFloor else {
            throw TesseraError(
                .full,
                "the disk of \(session.directory.path) has no room for \(megabytes(needed)) above the "
                    + "\(megabytes(options.freeDiskFloor)) that are left free; free some space or remove chunks")
        }
        let cap = Int(clamping: ledger.state.diskCap)
        guard cap > 0 else { return }
        var excess = used(session, ledger) + reserve(session, ledger) + needed - cap
        guard excess > 0 else { return }
        let fixed = used(session, ledger) - ledger.layerBytes + (try session.catalog.pinnedByteCount())
        guard fixed + reserve(session, ledger) + needed <= cap else { throw full(needed, session, ledger) }
        var hasCompacted = false
        while excess > 0 {
            if try evict(excess, sparing: scope, session, &ledger) == 0 {
                guard !hasCompacted else { throw full(needed, session, ledger) }
                try session.database.compact()
                hasCompacted = true
            }
            excess = used(session, ledger) + reserve(session, ledger) + needed - cap
        }
    }

    /// Makes room among the records of each namespace that has a quota.
    private func keepToQuotas(
        for records: [OutgoingRecord], sparing scope: RecordScope?, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        let incoming = Dictionary(grouping: records, by: \.header.namespace)
        for (namespace, quota) in options.eviction.quotas {
            let needed = incoming[namespace]?.reduce(0) { $0 + $1.allocated } ?? 0
            guard needed > 0 else { continue }
            try beginEviction(session, ledger)
            let pinned = try session.catalog.pinnedByteCount(of: namespace)
            while desk.withLock({ $0.usedBytes(of: namespace) }) + needed > quota {
                let excess = desk.withLock { $0.usedBytes(of: namespace) } + needed - quota
                guard pinned + needed <= quota,
                    try evict(excess, of: namespace, sparing: scope, session, &ledger) > 0
                else {
                    throw TesseraError(
                        .full,
                        "\(megabytes(needed)) more would take the namespace \(namespace) over its quota of "
                            + "\(megabytes(quota)), and there is nothing left of it to give up; raise the quota, unpin or "
                            + "remove chunks")
                }
            }
        }
    }

    /// Bytes that the folder takes. Segments are counted as they come and go, the rest is a handful of files.
    private func used(_ session: StoreSession, _ ledger: Ledger) -> Int {
        session.directory.byteCountWithoutSegments() + ledger.layerBytes
    }

    /// Bytes of records that are best put at once: enough that their commit costs little beside them, and little beside what
    /// the store, or a namespace, may hold.
    package func batchByteCount(of namespace: String) -> Int {
        let cap = diskCap
        let batch = cap == 0 ? Self.largestBatch : min(Self.largestBatch, max(cap / 16, 1 << 20))
        return min(batch, options.eviction.quotas[namespace].map { $0 / 8 } ?? batch)
    }

    private static let largestBatch = 32 << 20

    /// Bytes that layers may take under the cap, beside everything else; without a cap what namespaces may.
    func room(forLayers session: StoreSession, _ ledger: Ledger) -> Int {
        let cap = Int(clamping: ledger.state.diskCap)
        guard cap > 0 else { return options.eviction.quotas.values.reduce(0) { $0 + min($1, 1 << 50) } }
        return max(0, cap - session.directory.byteCountWithoutSegments() - reserve(session, ledger))
    }

    /// Bytes that have to stay free. The databases may take them at any moment, whatever is written: RocksDB's next log and the table that a log
    /// becomes, the largest compaction, SQLite's log, and what grows by blocks.
    private func reserve(_ session: StoreSession, _ ledger: Ledger) -> Int {
        session.database.reservedByteCount() + session.catalog.reservedByteCount + Self.slackBytes
            + (options.eviction.demotion == nil ? 0 : demotionByteCount(ledger))
    }

    private static let slackBytes = 512 << 10

    /// Bytes that are kept free so that a chunk can be written smaller before the larger one goes.
    func demotionByteCount(_ ledger: Ledger) -> Int { min(Int(clamping: ledger.state.diskCap) / 16, 256 << 20) }

    private func full(_ needed: Int, _ session: StoreSession, _ ledger: Ledger) -> TesseraError {
        let (used, reserve) = (used(session, ledger), reserve(session, ledger))
        return TesseraError(
            .full,
            "\(megabytes(needed)) more would take the store \(session.directory.path), which has \(megabytes(used)) and keeps "
                + "\(megabytes(reserve)) for its databases, over its disk cap of "
                + "\(megabytes(Int(clamping: ledger.state.diskCap))), and there is nothing left to give up; raise the cap, "
                + "unpin or remove chunks")
    }
}

/// A size as messages state it, rounded up.
func megabytes(_ bytes: Int) -> String {
    let tenths = (max(0, bytes) + 99_999) / 100_000
    return "\(tenths / 10).\(tenths % 10) MB"
}
