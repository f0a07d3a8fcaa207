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
        try beginEviction(session, ledger)
        let expired = try expire(session, &ledger)
        guard expired == 0 else { return expired }
        do throws(TesseraError) {
            let count = try letPolicyEvict(byteCount, of: namespace, sparing: scope, session, &ledger)
            guard count == 0 else { return count }
        } catch {
            // Its victims may still be there; it begins again with what is.
            desk.withLock { $0.rest() }
            throw error
        }
        let victims = try longestUnused(byteCount, of: namespace, outside: scope, session)
        return try giveUp(victims, session, &ledger)
    }

    private func letPolicyEvict(
        _ byteCount: Int, of namespace: String?, sparing scope: RecordScope?, _ session: StoreSession,
        _ ledger: inout Ledger
    ) throws(TesseraError) -> Int {
        let capacity = room(forLayers: session, ledger)
        let now = Self.now()
        var (victims, freed, chosen): ([ChunkKey], Int, Int) = ([], 0, 0)
        // Asked once for each segment: the policy and its host have to get the same answer.
        var reading: [UInt64: Bool] = [:]
        while freed < byteCount {
            let choice = desk.withLock { desk in
                desk.choose(capacity: capacity, of: namespace, sparing: scope, at: now) { segment in
                    if let known = reading[segment] { return known }
                    let isBeingRead = session.files.isBeingRead(segment)
                    reading[segment] = isBeingRead
                    return isBeingRead
                }
            }
            guard let choice else { break }
            chosen += 1
            if choice.demotes, let saved = try demote(choice.key, session, &ledger) {
                freed += saved
                counters.demoted.increment()
            } else {
                if choice.demotes { desk.withLock { $0.drop(choice.key) } }
                freed += choice.byteCount
                victims.append(choice.key)
            }
        }
        _ = try giveUp(victims, session, &ledger)
        return chosen
    }

    private func giveUp(
        _ victims: [ChunkKey], _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) -> Int {
        guard !victims.isEmpty else { return 0 }
        let count = try remove(Set(victims), session, &ledger)
        counters.evicted.add(count, ordering: .relaxed)
        return count
    }

    /// Lets the policy begin its work, if it hasn't.
    func beginEviction(_ session: StoreSession, _ ledger: Ledger) throws(TesseraError) {
        // A catalog that couldn't follow would name records that are gone, and miss those that came.
        try CatalogKeeper(session).catchUp(with: ledger.state)
        guard !desk.withLock({ $0.isAtWork }) else { return }
        var options = desk.withLock { $0.options }
        // What would not fit beside what is there while it is written can't be demoted.
        options.largestDemotion = ledger.state.diskCap == 0 ? .max : demotionByteCount(ledger)
        let candidates = try session.catalog.candidates(options)
        let capacity = room(forLayers: session, ledger)
        desk.withLock { $0.begin(capacity: capacity, options, candidates) }
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
        let keys = try session.catalog.keys(limit: 4096, createdBefore: Self.now() - Int64(min(timeToLive, 1e12) * 1e6))
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
