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

    /// Whether a record that is about to be loaded will be kept.
    func wants(_ key: ChunkKey, byteCount: Int) -> Bool {
        guard byteCount <= capacity else { return false }
        return state.withLock { state in
            if state.byteCount + byteCount <= capacity || state.seen[key] != nil { return true }
            state.seen.set(key, ())
            if state.seen.count > max(1024, 2 * state.records.count) { _ = state.seen.removeOldest() }
            return false
        }
    }

    /// Takes a record in, for which others leave.
    func admit(_ loaded: LoadedChunk) {
        let size = loaded.footprint
        guard size <= capacity else { return }
        state.withLock { state in
            if let before = state.records.remove(loaded.chunk.key) { state.byteCount -= before.footprint }
            state.seen.remove(loaded.chunk.key)
            while state.byteCount + size > capacity, let (_, old) = state.records.removeOldest() {
                state.byteCount -= old.footprint
            }
            state.records.set(loaded.chunk.key, loaded)
            state.byteCount += size
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
