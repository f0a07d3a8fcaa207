// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The writer's books: what every commit changes besides headers. One writer at a time holds them.
struct Ledger: Sendable {
    var state: StoreState
    /// The segments that records lie in, by number.
    private(set) var segments: [UInt64: Segment]
    /// Blocks of removed records that have not been given back to the disk yet.
    private(set) var holes: Set<Hole>
    /// Segments without a record that have not been deleted yet.
    private(set) var dead: Set<UInt64> = []
    /// What is on disk of each segment, dead ones included.
    private(set) var files: [UInt64: File] = [:]
    /// Bytes of the disk that all segments take.
    private(set) var layerBytes = 0
    /// Bytes of layers of records that came and went since the store was opened.
    private(set) var bytesIn = 0
    private(set) var bytesOut = 0
    /// Commits since the journal was last cut.
    var journalLength = 0

    /// Segments and holes that changed since the last commit.
    private var touched: Set<UInt64> = []
    private var changedHoles: Set<Hole> = []

    /// A segment's file.
    struct File: Sendable {
        var byteCount: Int
        /// The bytes of the blocks that it takes.
        var allocated: Int
    }

    init(state: StoreState, segments: [Segment] = [], holes: [Hole] = []) {
        self.state = state
        self.segments = Dictionary(segments.map { ($0.number, $0) }, uniquingKeysWith: { $1 })
        self.holes = Set(holes)
    }

    /// Bytes on disk that no record uses.
    var garbageBytes: Int {
        max(0, layerBytes - segments.values.reduce(0) { $0 + Int($1.liveBytes) })
    }

    /// Adds a segment of the newest records.
    mutating func append(_ segment: Segment) {
        segments[segment.number] = segment
        bytesIn += Int(segment.liveBytes)
        touched.insert(segment.number)
        state.nextSegment = segment.number + 1
    }

    /// Notes what a segment's file takes on disk; nil for one that is gone.
    mutating func measured(_ segment: UInt64, _ file: (byteCount: Int, allocated: Int)?) {
        layerBytes -= files[segment]?.allocated ?? 0
        files[segment] = file.map { File(byteCount: $0.byteCount, allocated: $0.allocated) }
        layerBytes += file?.allocated ?? 0
    }

    /// Notes that a record lost its header: its blocks are to be given back.
    mutating func release(_ header: RecordHeader) {
        guard release(segment: header.place.segment, byteCount: header.byteCount) else { return }
        let hole = Hole(place: header.place, extent: header.extent)
        holes.insert(hole)
        changedHoles.insert(hole)
    }

    /// Notes that a record lost its header which couldn't be read: the segment lives for less, but nobody is sure enough
    /// of the record's place to give back its blocks.
    ///
    /// - Returns: Whether the segment is known.
    @discardableResult
    mutating func release(segment: UInt64, byteCount: Int) -> Bool {
        guard segments[segment] != nil else { return false }
        segments[segment]?.release(byteCount)
        bytesOut += byteCount
        touched.insert(segment)
        return true
    }

    /// Notes that blocks have been given back.
    mutating func filled(_ hole: Hole) {
        holes.remove(hole)
        changedHoles.insert(hole)
    }

    /// Notes that a dead segment has been deleted.
    mutating func deleted(_ segment: UInt64) {
        dead.remove(segment)
        measured(segment, nil)
    }

    /// Whether all of a record's bytes can be there.
    func holds(_ header: RecordHeader) -> Bool {
        guard segments[header.place.segment] != nil, let file = files[header.place.segment] else { return false }
        return Int(header.place.offset) + header.extent <= file.byteCount
    }

    /// Adds the books' changes to a batch, as the next commit.
    mutating func seal(_ batch: WriteBatch, keys: [ChunkKey]) {
        buryDead()
        state.sequence += 1
        state.nonce = .random(in: .min ... .max)
        journalLength += 1
        for number in touched {
            if let segment = segments[number] {
                batch.put(StoreKey.segment(number), segment.encoded)
            } else {
                batch.delete(StoreKey.segment(number))
            }
        }
        for hole in changedHoles {
            if holes.contains(hole) {
                batch.put(StoreKey.hole(hole.place), hole.encoded)
            } else {
                batch.delete(StoreKey.hole(hole.place))
            }
        }
        (touched, changedHoles) = ([], [])
        batch.put(StoreKey.state, state.encoded)
        batch.put(StoreKey.journal(state.sequence), JournalEntry(nonce: state.nonce, keys: keys).encoded)
    }

    /// Takes segments without a record off the books, and their holes with them.
    private mutating func buryDead() {
        let dying = touched.filter { segments[$0]?.liveRecords == 0 }
        guard !dying.isEmpty else { return }
        for number in dying { segments[number] = nil }
        for hole in holes where dying.contains(hole.place.segment) { filled(hole) }
        dead.formUnion(dying)
    }
}
