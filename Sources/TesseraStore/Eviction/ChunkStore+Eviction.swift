// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraEviction
package import TesseraKV

extension ChunkStore {
    /// Whether chunks that a request found missing should be kept once they are computed: what the policy and the admission
    /// rule say. Each call counts as a request for all of them.
    package func wants(
        _ chunks: [(key: ChunkKey, tokens: Int, byteCount: Int)], scope: RecordScope
    ) throws(TesseraError) -> [Bool] {
        let now = Self.now()
        return desk.withLock { desk in
            chunks.map { chunk in
                desk.wants(
                    chunk.key, tokens: chunk.tokens, bytes: RecordPlace.aligned(chunk.byteCount), scope: scope, at: now)
            }
        }
    }

    /// Says what computing so many tokens takes, once that is known; records that are there already keep their costs until
    /// the store is opened again.
    package func setCost(_ cost: @escaping @Sendable (_ tokens: Int) -> Double) {
        desk.withLock { $0.options.cost = cost }
    }

    /// Gives up records of some `byteCount` bytes, or writes them smaller.
    ///
    /// - Parameter namespace: Whose records; nil for anybody's.
    /// - Returns: How many.
    func evict(
        _ byteCount: Int, of namespace: String? = nil, sparing scope: RecordScope?, _ session: StoreSession,
        _ ledger: inout Ledger
    ) throws(TesseraError) -> Int {
        try flushUses(session)
        // A catalog that couldn't follow would name records that are gone, and miss those that came.
        try CatalogKeeper(session).catchUp(with: ledger.state)
        let expired = try expire(session, &ledger)
        guard expired == 0 else { return expired }
        try beginEviction(session, ledger)
        let capacity = room(forLayers: session, ledger)
        let now = Self.now()
        var (victims, freed, shrunk): ([ChunkKey], Int, Int) = ([], 0, 0)
        while freed < byteCount {
            let choice = desk.withLock { desk in
                desk.choose(
                    capacity: capacity, of: namespace, sparing: scope, at: now,
                    isBeingRead: { session.files.isBeingRead($0) })
            }
            guard let choice else { break }
            if choice.demotes, let saved = try demote(choice.key, session, &ledger) {
                freed += saved
                shrunk += 1
            } else {
                if choice.demotes { desk.withLock { $0.drop(choice.key) } }
                freed += choice.byteCount
                victims.append(choice.key)
            }
        }
        if victims.isEmpty, shrunk == 0 {
            victims = try longestUnused(byteCount, of: namespace, outside: scope, session)
        }
        counters.demoted.add(shrunk, ordering: .relaxed)
        guard !victims.isEmpty else { return shrunk }
        let count = try remove(Set(victims), session, &ledger)
        counters.evicted.add(count, ordering: .relaxed)
        return count + shrunk
    }

    /// Lets the policy begin its work, if it hasn't.
    func beginEviction(_ session: StoreSession, _ ledger: Ledger) throws(TesseraError) {
        guard !desk.withLock({ $0.isAtWork }) else { return }
        let candidates = try session.catalog.candidates(desk.withLock { $0.options })
        let capacity = room(forLayers: session, ledger)
        desk.withLock { $0.begin(capacity: capacity, candidates) }
    }

    /// What leaves where the policy has nobody to name: what was not used for longest.
    private func longestUnused(
        _ byteCount: Int, of namespace: String?, outside scope: RecordScope?, _ session: StoreSession
    ) throws(TesseraError) -> [ChunkKey] {
        if let violation = desk.withLock({ $0.violation }) {
            note("the eviction policy \(options.eviction.policy.name) was overruled: \(violation)")
        }
        var (victims, freed): ([ChunkKey], Int) = ([], 0)
        try session.catalog.forEachIdle(of: namespace, outside: scope) { key, segment, count in
            guard freed < byteCount else { return false }
            guard !session.files.isBeingRead(segment) else { return true }
            victims.append(key)
            freed += count
            return true
        }
        return victims
    }

    /// Removes what is past its time to live.
    private func expire(_ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) -> Int {
        guard let timeToLive = options.eviction.timeToLive else { return 0 }
        let keys = try session.catalog.keys(createdBefore: Self.now() - Int64(min(timeToLive, 1e12) * 1e6))
        guard !keys.isEmpty else { return 0 }
        let count = try remove(Set(keys), session, &ledger)
        counters.expired.add(count, ordering: .relaxed)
        return count
    }

    /// Whether a record is past its time to live; a pinned one never is.
    func isExpired(_ header: RecordHeader, _ key: ChunkKey, _ session: StoreSession) throws(TesseraError) -> Bool {
        guard options.eviction.isExpired(created: header.created, now: Self.now()) else { return false }
        return try !session.isPinned(key)
    }
}
