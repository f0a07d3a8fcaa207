// SPDX-License-Identifier: Apache-2.0

/// Objects that were missed and that a policy remembered, until they come in. A cache may miss several before any comes in.
struct ReturningObjects: Sendable {
    private var places: [ObjectKey: Int] = [:]

    /// So many that never came in are remembered.
    private static let most = 1024

    /// Notes that a missed object was remembered in a place.
    mutating func note(_ key: ObjectKey, from place: Int) {
        if places.count >= Self.most { places.removeAll() }
        places[key] = place
    }

    /// Where an object was remembered; nil for one that is new.
    func place(of key: ObjectKey?) -> Int? { places.isEmpty ? nil : key.flatMap { places[$0] } }

    /// An object comes in, or is missed anew.
    @discardableResult
    mutating func take(_ key: ObjectKey) -> Int? { places.isEmpty ? nil : places.removeValue(forKey: key) }
}
