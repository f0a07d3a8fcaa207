// SPDX-License-Identifier: Apache-2.0

/// Objects by rank, the lowest in front, and of equal ones that which was ranked first. Changes take logarithmic time.
///
/// A binary heap that knows where each object is. The heaps of the libraries at hand can't change a rank.
struct RankedObjects<Mark: Sendable>: Sendable {
    /// Where an object is, as long as it is ranked.
    struct Slot: Equatable {
        fileprivate var index: Int32
    }

    private struct Node {
        var key: ObjectKey
        var mark: Mark
        var place: Int32
    }

    private struct Entry {
        var rank: Double
        var order: UInt64
        var index: Int32

        func precedes(_ other: Entry) -> Bool {
            rank == other.rank ? order < other.order : rank < other.rank
        }
    }

    private var nodes: ContiguousArray<Node> = []
    private var free: ContiguousArray<Int32> = []
    private var slots: [ObjectKey: Int32] = [:]
    private var heap: ContiguousArray<Entry> = []
    private var ranked: UInt64 = 0

    init() {}

    var count: Int { heap.count }

    func find(_ key: ObjectKey) -> Slot? { slots[key].map(Slot.init) }

    func key(_ slot: Slot) -> ObjectKey { nodes[Int(slot.index)].key }

    func rank(_ slot: Slot) -> Double { heap[Int(nodes[Int(slot.index)].place)].rank }

    /// What the policy notes of an object.
    subscript(_ slot: Slot) -> Mark {
        get { nodes[Int(slot.index)].mark }
        set { nodes[Int(slot.index)].mark = newValue }
    }

    /// The object of the lowest rank.
    var lowest: Slot? { heap.first.map { Slot(index: $0.index) } }

    /// The object of the lowest rank that is not spared.
    func lowest(sparing isSpared: (ObjectKey) -> Bool) -> Slot? {
        guard let first = lowest else { return nil }
        guard isSpared(key(first)) else { return first }
        // Places whose parents are all spared; the best of them is the next in order.
        var edge = [0]
        while edge.count <= Self.widestEdge,
            let best = edge.indices.min(by: { heap[edge[$0]].precedes(heap[edge[$1]]) })
        {
            let place = edge[best]
            let slot = Slot(index: heap[place].index)
            guard isSpared(key(slot)) else { return slot }
            edge.swapAt(best, edge.count - 1)
            edge.removeLast()
            for child in [2 * place + 1, 2 * place + 2] where child < heap.count { edge.append(child) }
        }
        guard !edge.isEmpty else { return nil }
        // So many are spared that one look at all is quicker.
        return heap.filter { !isSpared(nodes[Int($0.index)].key) }.min { $0.precedes($1) }
            .map { Slot(index: $0.index) }
    }

    private static var widestEdge: Int { 64 }

    /// Ranks an object that isn't yet.
    mutating func add(_ key: ObjectKey, mark: Mark, rank: Double) {
        let index: Int32
        let node = Node(key: key, mark: mark, place: Int32(heap.count))
        if let used = free.popLast() {
            index = used
            nodes[Int(index)] = node
        } else {
            index = Int32(nodes.count)
            nodes.append(node)
        }
        slots[key] = index
        ranked += 1
        heap.append(Entry(rank: rank, order: ranked, index: index))
        rise(heap.count - 1)
    }

    /// Gives an object another rank.
    mutating func rank(_ slot: Slot, _ rank: Double) {
        let place = Int(nodes[Int(slot.index)].place)
        ranked += 1
        heap[place] = Entry(rank: rank, order: ranked, index: slot.index)
        settle(place)
    }

    /// Takes an object out.
    mutating func remove(_ slot: Slot) {
        let place = Int(nodes[Int(slot.index)].place)
        slots[nodes[Int(slot.index)].key] = nil
        free.append(slot.index)
        let last = heap.removeLast()
        guard place < heap.count else { return }
        put(last, place)
        settle(place)
    }

    private mutating func settle(_ place: Int) {
        rise(place)
        sink(place)
    }

    private mutating func put(_ entry: Entry, _ place: Int) {
        heap[place] = entry
        nodes[Int(entry.index)].place = Int32(place)
    }

    private mutating func rise(_ start: Int) {
        let entry = heap[start]
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard entry.precedes(heap[parent]) else { break }
            put(heap[parent], place)
            place = parent
        }
        put(entry, place)
    }

    private mutating func sink(_ start: Int) {
        let entry = heap[start]
        var place = start
        while 2 * place + 1 < heap.count {
            var child = 2 * place + 1
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(entry) else { break }
            put(heap[child], place)
            place = child
        }
        put(entry, place)
    }
}
