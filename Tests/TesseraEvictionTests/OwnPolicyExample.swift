// SPDX-License-Identifier: Apache-2.0

import TesseraEviction
import TesseraPolicyTesting
import Testing

struct FirstInFirstOut: EvictionPolicy {
    private var queue: [ObjectKey] = []

    init(_ settings: PolicySettings) {}
    mutating func insert(_ object: CachedObject, at time: Double) { queue.append(object.key) }
    mutating func remove(_ key: ObjectKey) { queue.removeAll { $0 == key } }
    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        guard let place = queue.firstIndex(where: { !isSpared($0) }) else { return nil }
        return .evict(queue.remove(at: place))
    }
}

@Test func conforms() throws {
    try PolicyConformance().check(PolicyKind("mine", "first in, first out") { FirstInFirstOut($0) })
}
