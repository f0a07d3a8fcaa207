// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV

/// What happened to reads since the store was opened.
final class StoreCounters: Sendable {
    let hits = Atomic(0)
    let misses = Atomic(0)
    let mismatches = Atomic(0)
    let damaged = Atomic(0)
    let failedReads = Atomic(0)
    /// Records that were given up for room.
    let evicted = Atomic(0)
    /// Records that were written anew in a smaller codec.
    let demoted = Atomic(0)
    /// Records that were found past their time.
    let expired = Atomic(0)
    /// Uses that the catalog hasn't been told of yet.
    let uses = Mutex<[ChunkKey: Catalog.Use]>([:])
}

extension Atomic<Int> {
    func increment() { add(1, ordering: .relaxed) }
    var value: Int { load(ordering: .relaxed) }
}
