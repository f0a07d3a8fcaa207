// SPDX-License-Identifier: Apache-2.0

/// Prefix caching as serving engines do it, at the grain of chunks: a run of chunks can be reused only from the front,
/// behind the very chunks that it was computed behind.
///
/// The least recently used run whose continuations are gone leaves first.
struct PrefixCache {
    private struct Node {
        var bytes: Int
        var parent: Int?
        var children = 0
        var lastUse: Int
    }

    private let cap: Int
    private var nodes: [Int: Node] = [:]
    private var places: [[Int]: Int] = [:]
    private var runs: [Int: [Int]] = [:]
    private var bytes = 0
    private var clock = 0
    private var next = 0

    /// An empty cache.
    ///
    /// - Parameter cap: The most bytes that it may hold.
    init(cap: Int) {
        self.cap = cap
    }

    /// How many of the chunks at the front of a prompt are there; afterwards all of them are, as far as there is room.
    ///
    /// - Parameters:
    ///   - chunks: The chunks of a prompt, in order.
    ///   - sizes: The bytes of each.
    mutating func use(_ chunks: [Int], sizes: [Int]) -> Int {
        clock += 1
        var hits = 0
        var parent: Int?
        var kept: Set<Int> = []
        for length in 1...max(1, chunks.count) where length <= chunks.count {
            let run = Array(chunks.prefix(length))
            if let id = places[run] {
                if hits == length - 1 { hits = length }
                nodes[id]?.lastUse = clock
                kept.insert(id)
                parent = id
                continue
            }
            makeRoom(for: sizes[length - 1], keeping: kept)
            guard bytes + sizes[length - 1] <= cap else { break }
            let id = next
            next += 1
            nodes[id] = Node(bytes: sizes[length - 1], parent: parent, lastUse: clock)
            if let parent { nodes[parent]?.children += 1 }
            (places[run], runs[id]) = (id, run)
            bytes += sizes[length - 1]
            kept.insert(id)
            parent = id
        }
        return hits
    }

    private mutating func makeRoom(for size: Int, keeping kept: Set<Int>) {
        while bytes + size > cap {
            let leaves = nodes.filter { $0.value.children == 0 && !kept.contains($0.key) }
            guard let (id, node) = leaves.min(by: { ($0.value.lastUse, $0.key) < ($1.value.lastUse, $1.key) }) else {
                return
            }
            nodes[id] = nil
            if let parent = node.parent { nodes[parent]?.children -= 1 }
            if let run = runs.removeValue(forKey: id) { places[run] = nil }
            bytes -= node.bytes
        }
    }
}
