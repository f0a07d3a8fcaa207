// SPDX-License-Identifier: Apache-2.0

/// Values by key, in the order of their last use. Every operation takes constant time.
struct RecencyList<Key: Hashable, Value> {
    private struct Node {
        var key: Key
        var value: Value
        var newer: Int?
        var older: Int?
    }

    private var nodes: [Node?] = []
    private var free: [Int] = []
    private var places: [Key: Int] = [:]
    private var newest: Int?
    private var oldest: Int?

    var count: Int { places.count }

    /// A key's value, which becomes the newest.
    mutating func use(_ key: Key) -> Value? {
        guard let place = places[key], let node = nodes[place] else { return nil }
        unlink(place)
        link(place)
        return node.value
    }

    /// A key's value; its place in the order stays.
    subscript(_ key: Key) -> Value? {
        places[key].flatMap { nodes[$0]?.value }
    }

    /// Sets a key's value, which becomes the newest.
    ///
    /// - Returns: The value before.
    @discardableResult
    mutating func set(_ key: Key, _ value: Value) -> Value? {
        let before = remove(key)
        let node = Node(key: key, value: value)
        let place: Int
        if let used = free.popLast() {
            place = used
            nodes[place] = node
        } else {
            place = nodes.count
            nodes.append(node)
        }
        places[key] = place
        link(place)
        return before
    }

    @discardableResult
    mutating func remove(_ key: Key) -> Value? {
        guard let place = places.removeValue(forKey: key), let node = nodes[place] else { return nil }
        unlink(place)
        nodes[place] = nil
        free.append(place)
        return node.value
    }

    /// Removes the value that was not used for longest.
    mutating func removeOldest() -> (key: Key, value: Value)? {
        guard let place = oldest, let node = nodes[place] else { return nil }
        remove(node.key)
        return (node.key, node.value)
    }

    private mutating func link(_ place: Int) {
        nodes[place]?.older = newest
        nodes[place]?.newer = nil
        if let newest { nodes[newest]?.newer = place }
        newest = place
        if oldest == nil { oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        guard let node = nodes[place] else { return }
        if let newer = node.newer { nodes[newer]?.older = node.older } else { newest = node.older }
        if let older = node.older { nodes[older]?.newer = node.newer } else { oldest = node.newer }
    }
}
