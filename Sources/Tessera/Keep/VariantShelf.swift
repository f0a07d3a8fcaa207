// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// What the stored KVs of chunks are worth, and which leave when there is no room.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §3.4: frequency × reusability (``TesseraReuse/VariantPriority``). Coming in
/// counts as one use that fixed everything.
struct VariantShelf: Sendable {
    private struct Entry {
        var bytes: Int
        var priority = VariantPriority()
        var lastUse = 0.0
    }

    private var entries: [ChunkKey: Entry] = [:]
    private var clock = 0.0

    /// The bytes of all KVs on the shelf.
    private(set) var bytes = 0

    /// Puts a KV on the shelf; one that is there already stays as it is.
    mutating func add(_ key: ChunkKey, bytes count: Int) {
        guard entries[key] == nil else { return }
        entries[key] = Entry(bytes: count)
        bytes += count
        use(key, overhead: 1)
    }

    /// Counts a use. A KV that was not put on the shelf is worth something too, but has no bytes here.
    mutating func use(_ key: ChunkKey, overhead: Double) {
        clock += 1
        var entry = entries[key] ?? Entry(bytes: 0)
        entry.priority.use(overhead: overhead, at: clock)
        entry.lastUse = clock
        entries[key] = entry
    }

    /// What a KV is worth now.
    func value(of key: ChunkKey) -> Double {
        entries[key]?.priority.value(at: clock) ?? 0
    }

    /// Takes KVs off the shelf.
    mutating func forget(_ keys: some Sequence<ChunkKey>) {
        for key in keys {
            bytes -= entries.removeValue(forKey: key)?.bytes ?? 0
        }
    }

    /// Those that have to leave so that `room` bytes are free under a cap: the least worth first, of equal ones that
    /// which was used longest ago.
    ///
    /// - Parameter kept: KVs that must stay.
    func victims(cap: Int, room: Int, keeping kept: Set<ChunkKey> = []) -> [ChunkKey] {
        var left = bytes
        var gone: [ChunkKey] = []
        guard left + room > cap else { return [] }
        let clock = clock
        let ranked = entries.filter { $0.value.bytes > 0 && !kept.contains($0.key) }.sorted { a, b in
            let (x, y) = (a.value.priority.value(at: clock), b.value.priority.value(at: clock))
            return x == y ? a.value.lastUse < b.value.lastUse : x < y
        }
        for (key, entry) in ranked where left + room > cap {
            gone.append(key)
            left -= entry.bytes
        }
        return gone
    }
}
