// SPDX-License-Identifier: Apache-2.0

internal import TesseraEviction
internal import TesseraKV

/// What the stored KVs of chunks are worth, and which leave when there is no room.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §3.4: frequency × reusability (``TesseraEviction/VariantPriority``). Coming in
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

    /// Begins with what an earlier process kept; how often it was used stands in for its priority.
    init(_ records: [(key: ChunkKey, bytes: Int, uses: Int)] = []) {
        for record in records {
            add(record.key, bytes: record.bytes)
            for _ in 0..<min(record.uses, 32) { use(record.key, overhead: 1) }
        }
    }

    /// Puts a KV on the shelf; one that is there already stays as it is.
    mutating func add(_ key: ChunkKey, bytes count: Int) {
        guard entries[key] == nil else { return }
        entries[key] = Entry(bytes: count)
        bytes += count
        use(key, overhead: 1)
    }

    /// Counts a use of a KV on the shelf.
    mutating func use(_ key: ChunkKey, overhead: Double) {
        guard var entry = entries[key] else { return }
        clock += 1
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
    func victims(cap: Int, room: Int) -> [ChunkKey] {
        var left = bytes
        var gone: [ChunkKey] = []
        guard left + room > cap else { return [] }
        let clock = clock
        let ranked = entries.sorted { a, b in
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
