// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// Chooses which records a store gives up when it needs room.
///
/// The store asks before a write that would exceed its cap, removes what is chosen and asks again if that was not
/// enough. Pinned records and those that somebody is reading are not offered.
package protocol EvictionPolicy: Sendable {
    /// The name, as options and statistics state it.
    static var name: String { get }

    /// Chooses records whose layers have `byteCount` bytes together, or as many as there are.
    func victims(freeing byteCount: Int, among candidates: EvictionCandidates) throws(TesseraError) -> [ChunkKey]
}

/// What a policy knows of a record.
package struct EvictionCandidate: Sendable {
    /// The record's key.
    package var key: ChunkKey
    /// The bytes of its layers.
    package var byteCount: Int
    /// The tenant scope that is charged for it.
    package var namespace: String
    /// When it was put, in microseconds since 1970.
    package var created: Int64
    /// When a lookup last found it, or when it was put.
    package var lastUsed: Int64
    /// How often a lookup found it.
    package var uses: Int
    /// The segment that it lies in.
    var segment: UInt64
}

/// The records that may be given up, the one that was not used for longest first.
package struct EvictionCandidates {
    let visit: ((EvictionCandidate) throws -> Bool) throws(TesseraError) -> Void

    /// Calls `body` with one candidate after the other until it returns false.
    package func forEach(_ body: (EvictionCandidate) throws -> Bool) throws(TesseraError) {
        try visit(body)
    }
}

/// Gives up what was not used for longest.
package struct LeastRecentlyUsed: EvictionPolicy {
    /// `lru`.
    package static let name = "lru"

    /// The policy has no settings.
    package init() {}

    package func victims(
        freeing byteCount: Int, among candidates: EvictionCandidates
    ) throws(TesseraError) -> [ChunkKey] {
        var (victims, freed): ([ChunkKey], Int) = ([], 0)
        try candidates.forEach { candidate in
            guard freed < byteCount else { return false }
            victims.append(candidate.key)
            freed += candidate.byteCount
            return true
        }
        return victims
    }
}
