// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The writer's books: what every commit changes besides headers. One writer at a time holds them.
struct Ledger: Sendable {
    var state: StoreState
    /// The files of layers, ascending by record number, never overlapping.
    private(set) var segments: [Segment]
    /// Bytes of the folder when it was last measured; nil before the first time.
    var measuredBytes: Int?
    /// Bytes written since then.
    var writtenBytes = 0
    /// Commits since the journal was last cut.
    var journalLength = 0

    /// The first records of segments that changed since the last commit.
    private var touched: Set<UInt64> = []

    init(state: StoreState, segments: [Segment]) {
        (self.state, self.segments) = (state, segments)
    }

    /// Bytes of files that no record uses.
    var garbageBytes: Int {
        segments.reduce(0) { $0 + Int(clamping: $1.byteCount - min($1.liveBytes, $1.byteCount)) }
    }

    /// Adds a file of the newest records.
    mutating func append(_ segment: Segment) {
        segments.append(segment)
        touched.insert(segment.first)
        state.nextRecord = segment.last + 1
    }

    /// Notes that a record lost its header.
    mutating func release(record: UInt64, byteCount: Int) {
        guard let index = index(of: record) else { return }
        segments[index].release(byteCount)
        touched.insert(segments[index].first)
    }

    /// Whether the file of a record is known.
    func holds(record: UInt64) -> Bool {
        index(of: record) != nil
    }

    /// Takes files without a live record off the books.
    ///
    /// - Returns: Their ranges of records.
    mutating func removeDeadSegments() -> [ClosedRange<UInt64>] {
        let dead = segments.filter { $0.liveRecords == 0 }.map { $0.first...$0.last }
        segments.removeAll { $0.liveRecords == 0 }
        touched.formUnion(dead.map(\.lowerBound))
        return dead
    }

    /// Adds the books' changes to a batch, as the next commit.
    mutating func seal(_ batch: WriteBatch, keys: [ChunkKey]) {
        state.sequence += 1
        state.nonce = .random(in: .min ... .max)
        journalLength += 1
        for first in touched {
            if let index = index(of: first) {
                batch.put(StoreKey.segment(first), segments[index].encoded)
            } else {
                batch.delete(StoreKey.segment(first))
            }
        }
        touched = []
        batch.put(StoreKey.state, state.encoded)
        batch.put(StoreKey.journal(state.sequence), JournalEntry(nonce: state.nonce, keys: keys).encoded)
    }

    private func index(of record: UInt64) -> Int? {
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].last < record { low = middle + 1 } else { high = middle }
        }
        return low < segments.count && segments[low].first <= record ? low : nil
    }
}
