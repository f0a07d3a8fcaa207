// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV

/// The hot tier: records in memory, whole and verified, at most so many bytes of them.
///
/// Every record in it is in the warm tier too, so one that leaves is simply forgotten. While there is room whatever is
/// loaded stays; when there is none, a record comes in with its second load: one pass over a corpus doesn't push out what
/// is asked for again and again.
final class HotTier: Sendable {
    private struct State {
        var records = RecencyList<ChunkKey, LoadedChunk>()
        var byteCount = 0
        /// Bytes of records that are being read in.
        var reserved = 0
        /// Keys that were loaded when there was no room.
        var seen = RecencyList<ChunkKey, Void>()
        var hits = 0
    }

    /// The most bytes of records.
    let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// The bytes that the records in it take.
    var byteCount: Int { state.withLock { $0.byteCount } }
    /// The number of records in it.
    var count: Int { state.withLock { $0.records.count } }
    /// How often a record was found in it.
    var hits: Int { state.withLock { $0.hits } }

    /// A record, if it is the one that a header speaks of.
    func find(_ chunk: StoredChunk) -> LoadedChunk? {
        state.withLock { state in
            guard state.records[chunk.key]?.chunk.header.place == chunk.header.place else { return nil }
            state.hits += 1
            return state.records.use(chunk.key)
        }
    }

    /// Room in the tier for a record that is being read in.
    final class Reservation: Sendable {
        private let tier: HotTier
        private let byteCount: Int
        private let isOver = Atomic(false)

        fileprivate init(_ tier: HotTier, _ byteCount: Int) {
            (self.tier, self.byteCount) = (tier, byteCount)
        }

        deinit { end() }

        /// Gives the room back, once.
        fileprivate func end() {
            guard !isOver.exchange(true, ordering: .relaxed) else { return }
            tier.state.withLock { $0.reserved -= byteCount }
        }
    }

    /// Makes room for a record that is about to be loaded; nil for one that won't be kept.
    func reserve(_ key: ChunkKey, byteCount: Int) -> Reservation? {
        let isWanted = state.withLock { state in
            guard state.reserved + byteCount <= capacity else { return false }
            if state.byteCount + state.reserved + byteCount > capacity, state.seen[key] == nil {
                state.seen.set(key, ())
                if state.seen.count > max(1024, 2 * state.records.count) { _ = state.seen.removeOldest() }
                return false
            }
            state.reserved += byteCount
            shrink(&state, by: 0)
            return true
        }
        return isWanted ? Reservation(self, byteCount) : nil
    }

    /// Takes a record in, in the place that was reserved for it.
    func admit(_ loaded: LoadedChunk, _ reservation: Reservation) {
        reservation.end()
        let size = loaded.footprint
        guard size <= capacity else { return }
        state.withLock { state in
            if let before = state.records.remove(loaded.chunk.key) { state.byteCount -= before.footprint }
            state.seen.remove(loaded.chunk.key)
            shrink(&state, by: size)
            guard state.byteCount + state.reserved + size <= capacity else { return }
            state.records.set(loaded.chunk.key, loaded)
            state.byteCount += size
        }
    }

    /// Lets records go until so many bytes more have room.
    private func shrink(_ state: inout State, by size: Int) {
        while state.byteCount + state.reserved + size > capacity, let (_, old) = state.records.removeOldest() {
            state.byteCount -= old.footprint
        }
    }

    /// Forgets records that have left the store.
    func drop(_ keys: some Sequence<ChunkKey>) {
        state.withLock { state in
            for key in keys {
                if let before = state.records.remove(key) { state.byteCount -= before.footprint }
                state.seen.remove(key)
            }
        }
    }
}
