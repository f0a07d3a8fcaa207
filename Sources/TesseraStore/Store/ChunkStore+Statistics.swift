// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization
package import TesseraKV

extension ChunkStore {
    /// What the store holds and how it has served since it was opened.
    package func statistics() throws(TesseraError) -> StoreStatistics {
        let session = try session()
        let (garbage, bytesIn, bytesOut) = ledger.withLock { ($0.garbageBytes, $0.bytesIn, $0.bytesOut) }
        return StoreStatistics(
            tallies: try session.catalog.tallies(), hits: counters.hits.value, misses: counters.misses.value,
            mismatches: counters.mismatches.value, damaged: counters.damaged.value,
            failedReads: counters.failedReads.value, hotHits: session.hot.hits, hotRecords: session.hot.count,
            hotByteCount: session.hot.byteCount, evicted: counters.evicted.value,
            demoted: counters.demoted.value, expired: counters.expired.value, bytesIn: bytesIn, bytesOut: bytesOut,
            garbageByteCount: garbage)
    }

    /// How often a record was found by a lookup and when last, in microseconds since 1970; nil for one that isn't
    /// there. A crash may lose the latest uses.
    package func use(of key: ChunkKey) throws(TesseraError) -> (count: Int, last: Int64)? {
        let session = try session()
        try flushUses(session)
        return try session.catalog.use(of: key).map { ($0.count, $0.last) }
    }

    /// Remembers a fingerprint field by field, so that a later mismatch can name what differs.
    package func remember(_ fingerprint: Fingerprint) throws(TesseraError) {
        let record = FingerprintRecord(fingerprint)
        let key = StoreKey.fingerprint(record.digest)
        try writing { (session, ledger) throws(TesseraError) in
            guard try session.database.value(key) != record.encoded else { return }
            try commit(session, &ledger) { (batch, _) in
                batch.put(key, record.encoded)
                return []
            }
        }
    }

    /// The fingerprints that records were stored under, other than the one given, and the fields in which they differ;
    /// those with the most records first.
    ///
    /// A fingerprint that was never ``remember(_:)``ed has no fields to name and is listed without.
    package func mismatches(with fingerprint: Fingerprint) throws(TesseraError) -> [FingerprintMismatch] {
        let session = try session()
        let asked = fingerprint.digest
        var mismatches: [FingerprintMismatch] = []
        for (digest, records) in try session.catalog.recordsByFingerprint() where digest != asked {
            // One that is damaged has no fields to name either.
            let known =
                try session.database.withValue(StoreKey.fingerprint(digest)) { (bytes) throws(TesseraError) in
                    try? FingerprintRecord(bytes, digest: digest)
                } ?? nil
            mismatches.append(
                FingerprintMismatch(
                    digest: digest, records: records, fields: known?.differences(from: fingerprint) ?? []))
        }
        return mismatches.sorted { ($1.records, $0.digest.description) < ($0.records, $1.digest.description) }
    }

    /// The number of records under each fingerprint, by its digits.
    package func recordsByFingerprint() throws(TesseraError) -> [String: Int] {
        let counts = try session().catalog.recordsByFingerprint()
        return Dictionary(uniqueKeysWithValues: counts.map { ($0.key.description, $0.value) })
    }

    /// Notes that a lookup found a record; the catalog is told of many at once.
    func noteUse(of key: ChunkKey) {
        let now = Self.now()
        let count = counters.uses.withLock { uses in
            uses[key, default: Catalog.Use()].count += 1
            uses[key]?.last = now
            return uses.count
        }
        // Not while somebody waits for the lookup.
        if count % Self.mostUnwrittenUses == 0 {
            uses.async { [weak self] in
                guard let self, let session = try? session() else { return }
                try? flushUses(session, gently: true)
            }
        }
    }

    /// Notes what share of a record's cost its latest use paid all the same: what was computed anew to repair it.
    package func noteShare(_ share: Double, of key: ChunkKey) {
        counters.uses.withLock { $0[key]?.share = share }
    }

    /// Tells the catalog and the eviction policy of uses.
    ///
    /// - Parameter gently: Whether others are left time in between.
    func flushUses(_ session: StoreSession, gently: Bool = false) throws(TesseraError) {
        let uses = counters.uses.withLock { uses in
            defer { uses = [:] }
            return uses
        }
        guard !uses.isEmpty else { return }
        desk.withLock { $0.used(uses) }
        try session.catalog.add(uses, pause: gently ? 0.005 : 0)
    }

    private static let mostUnwrittenUses = 65_536
}
