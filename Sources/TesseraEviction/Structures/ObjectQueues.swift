// SPDX-License-Identifier: Apache-2.0

/// Objects in queues, each from its oldest to its newest. Every operation takes constant time.
///
/// One table serves all the queues of a policy, so that moving an object from one to another costs no second look-up.
struct ObjectQueues<Mark: Sendable>: Sendable {
    /// Where an object is, as long as it is in a queue.
    struct Slot: Equatable {
        fileprivate var index: Int32
    }

    private struct Node {
        var key: ObjectKey
        var bytes: Int
        var mark: Mark
        var queue: Int32
        var newer: Int32
        var older: Int32
    }

    private struct Queue {
        var newest = none
        var oldest = none
        var count = 0
        var bytes = 0
    }

    private static var none: Int32 { -1 }

    private var nodes: ContiguousArray<Node> = []
    private var free: ContiguousArray<Int32> = []
    private var slots: [ObjectKey: Int32] = [:]
    private var queues: ContiguousArray<Queue>

    init(_ count: Int) {
        queues = ContiguousArray(repeating: Queue(), count: count)
    }

    /// Objects in all queues.
    var count: Int { slots.count }

    func count(_ queue: Int) -> Int { queues[queue].count }

    func bytes(_ queue: Int) -> Int { queues[queue].bytes }

    func find(_ key: ObjectKey) -> Slot? { slots[key].map(Slot.init) }

    func key(_ slot: Slot) -> ObjectKey { nodes[Int(slot.index)].key }

    func bytes(_ slot: Slot) -> Int { nodes[Int(slot.index)].bytes }

    func queue(_ slot: Slot) -> Int { Int(nodes[Int(slot.index)].queue) }

    /// What the policy notes of an object.
    subscript(_ slot: Slot) -> Mark {
        get { nodes[Int(slot.index)].mark }
        set { nodes[Int(slot.index)].mark = newValue }
    }

    func oldest(_ queue: Int) -> Slot? { slot(queues[queue].oldest) }

    /// The next newer object of the same queue.
    func newer(_ slot: Slot) -> Slot? { self.slot(nodes[Int(slot.index)].newer) }

    /// The oldest object of a queue that is not spared.
    func oldest(_ queue: Int, sparing isSpared: (ObjectKey) -> Bool) -> Slot? {
        var slot = oldest(queue)
        while let current = slot, isSpared(key(current)) { slot = newer(current) }
        return slot
    }

    /// Makes an object the newest of a queue. It is in none yet.
    @discardableResult
    mutating func add(_ key: ObjectKey, bytes: Int, mark: Mark, to queue: Int) -> Slot {
        let node = Node(
            key: key, bytes: bytes, mark: mark, queue: Int32(queue), newer: Self.none, older: Self.none)
        let index: Int32
        if let used = free.popLast() {
            index = used
            nodes[Int(index)] = node
        } else {
            index = Int32(nodes.count)
            nodes.append(node)
        }
        slots[key] = index
        link(index, queue)
        return Slot(index: index)
    }

    /// Notes that an object has another size.
    mutating func resize(_ slot: Slot, to bytes: Int) {
        queues[queue(slot)].bytes += bytes - nodes[Int(slot.index)].bytes
        nodes[Int(slot.index)].bytes = bytes
    }

    /// Makes an object the newest of a queue, which may be the one that it is in.
    mutating func move(_ slot: Slot, to queue: Int) {
        unlink(slot.index)
        link(slot.index, queue)
    }

    /// Takes an object out.
    mutating func remove(_ slot: Slot) {
        unlink(slot.index)
        slots[nodes[Int(slot.index)].key] = nil
        free.append(slot.index)
    }

    private func slot(_ index: Int32) -> Slot? { index == Self.none ? nil : Slot(index: index) }

    private mutating func link(_ index: Int32, _ queue: Int) {
        let newest = queues[queue].newest
        nodes[Int(index)].queue = Int32(queue)
        nodes[Int(index)].older = newest
        nodes[Int(index)].newer = Self.none
        if newest == Self.none { queues[queue].oldest = index } else { nodes[Int(newest)].newer = index }
        queues[queue].newest = index
        queues[queue].count += 1
        queues[queue].bytes += nodes[Int(index)].bytes
    }

    private mutating func unlink(_ index: Int32) {
        let (newer, older) = (nodes[Int(index)].newer, nodes[Int(index)].older)
        let queue = Int(nodes[Int(index)].queue)
        if newer == Self.none { queues[queue].newest = older } else { nodes[Int(newer)].older = older }
        if older == Self.none { queues[queue].oldest = newer } else { nodes[Int(older)].newer = newer }
        queues[queue].count -= 1
        queues[queue].bytes -= nodes[Int(index)].bytes
    }
}

extension ObjectQueues {
    /// The oldest objects of a queue leave it until it has at most so many bytes.
    mutating func trim(_ queue: Int, to bytes: Int) {
        while self.bytes(queue) > bytes, let slot = oldest(queue) { remove(slot) }
    }
}
