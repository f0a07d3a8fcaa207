// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The merge loop of byte-pair encoding: of all neighbouring symbols that may be joined, those of the best priority
/// are joined first, the leftmost of equals before the others, until none is left.
///
/// Sennrich, Haddow, Birch, *Neural Machine Translation of Rare Words with Subword Units* (2016), §3.2. A heap of
/// candidates over a linked list makes it O(n log n) in the length of the piece.
struct PairMerger: Sendable {
    /// What two symbols become: a table with open addressing, keyed by both.
    private var keys: [UInt64]
    private var values: [UInt64]

    /// - Parameter rules: Which pairs become which symbol; the lowest priority is joined first. Of two rules for one
    ///   pair the later counts.
    init(_ rules: [(left: TokenID, right: TokenID, priority: UInt32, merged: TokenID)]) {
        var capacity = 16
        while capacity < 2 * rules.count { capacity *= 2 }
        keys = Array(repeating: .max, count: capacity)
        values = Array(repeating: 0, count: capacity)
        for rule in rules {
            let key = Self.key(rule.left, rule.right)
            let place = self.place(of: key)
            keys[place] = key
            values[place] = UInt64(rule.priority) << 32 | UInt64(UInt32(bitPattern: rule.merged))
        }
    }

    private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Where a key is, or where it would go.
    private func place(of key: UInt64) -> Int {
        let mask = keys.count - 1
        var place = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 24) & mask
        while keys[place] != key && keys[place] != .max { place = (place + 1) & mask }
        return place
    }

    /// Joins the symbols of `scratch` and leaves those that remain there.
    func merge(_ scratch: inout MergeScratch) {
        guard scratch.symbols.count > 1 else { return }
        scratch.link()
        for left in 0..<scratch.symbols.count - 1 {
            if let candidate = candidate(left, left + 1, &scratch) { scratch.heap.append(candidate) }
        }
        scratch.order()
        while let best = scratch.popBest() {
            let left = best.place
            guard scratch.symbols[left] == best.left, case let right = Int(scratch.next[left]), right >= 0,
                scratch.symbols[right] == best.right
            else { continue }
            scratch.join(left, right, as: best.merged)
            consider(Int(scratch.previous[left]), left, &scratch)
            consider(left, Int(scratch.next[left]), &scratch)
        }
        scratch.symbols.removeAll { $0 == MergeScratch.joined }
    }

    private func consider(_ left: Int, _ right: Int, _ scratch: inout MergeScratch) {
        guard left >= 0, right >= 0, let candidate = candidate(left, right, &scratch) else { return }
        scratch.push(candidate)
    }

    private func candidate(_ left: Int, _ right: Int, _ scratch: inout MergeScratch) -> MergeScratch.Candidate? {
        scratch.considered += 1
        let key = Self.key(scratch.symbols[left], scratch.symbols[right])
        let place = place(of: key)
        guard keys[place] == key else { return nil }
        return MergeScratch.Candidate(
            order: values[place] & ~0xFFFF_FFFF | UInt64(left), left: scratch.symbols[left],
            right: scratch.symbols[right], merged: TokenID(truncatingIfNeeded: values[place]))
    }
}

/// The memory of one merge, kept from piece to piece.
struct MergeScratch: Sendable {
    /// Two neighbours that may be joined. It is void when one of them has changed since.
    struct Candidate {
        /// The priority in the upper half, the place of the left one in the lower.
        let order: UInt64
        let left: TokenID
        let right: TokenID
        let merged: TokenID

        var place: Int { Int(order & 0xFFFF_FFFF) }
    }

    /// Stands where a symbol was joined to the one before it.
    static let joined = TokenID.min

    /// The symbols of the piece; set before a merge, read after it.
    var symbols: [TokenID] = []
    /// How many pairs have been looked up: the measure of the work.
    var considered = 0

    fileprivate var next: [Int32] = []
    fileprivate var previous: [Int32] = []
    fileprivate var heap: [Candidate] = []

    /// Bytes that it holds on to.
    var capacity: Int { heap.capacity * MemoryLayout<Candidate>.stride + symbols.capacity * 12 }

    fileprivate mutating func link() {
        heap.removeAll(keepingCapacity: true)
        next.removeAll(keepingCapacity: true)
        previous.removeAll(keepingCapacity: true)
        let count = Int32(symbols.count)
        next.append(contentsOf: 1..<count)
        next.append(-1)
        previous.append(contentsOf: -1..<count - 1)
    }

    fileprivate mutating func join(_ left: Int, _ right: Int, as merged: TokenID) {
        symbols[left] = merged
        symbols[right] = Self.joined
        next[left] = next[right]
        if next[left] >= 0 { previous[Int(next[left])] = Int32(left) }
    }

    // MARK: A binary heap, the smallest order on top

    fileprivate mutating func order() {
        for place in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(place) }
    }

    fileprivate mutating func push(_ candidate: Candidate) {
        heap.append(candidate)
        var place = heap.count - 1
        while place > 0, case let parent = (place - 1) / 2, candidate.order < heap[parent].order {
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = candidate
    }

    fileprivate mutating func popBest() -> Candidate? {
        guard let last = heap.popLast() else { return nil }
        guard let best = heap.first else { return last }
        heap[0] = last
        sink(0)
        return best
    }

    private mutating func sink(_ start: Int) {
        let sinking = heap[start]
        var place = start
        while true {
            var child = 2 * place + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count && heap[child + 1].order < heap[child].order { child += 1 }
            guard heap[child].order < sinking.order else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = sinking
    }
}
