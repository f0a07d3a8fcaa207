// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import TesseraKV

/// What a put did with one record.
package enum PutOutcome: Sendable, Hashable {
    /// The record is on disk now.
    case stored
    /// The same record was there before and was left alone.
    case alreadyThere
}

extension ChunkStore {
    /// The size from which a batch's layers go on in another segment: a chunk of a real model has one to itself, small
    /// records share one, and no segment is a large part of what the cap allows.
    func segmentByteCount(_ ledger: Ledger) -> Int {
        let cap = Int(clamping: ledger.state.diskCap)
        return cap == 0 ? Self.largestSegment : min(Self.largestSegment, max(cap / 16, 64 << 10))
    }

    private static let largestSegment = 16 << 20

    /// Stores one record; see ``put(_:)-([ChunkRecord])``.
    @discardableResult
    package func put(_ record: ChunkRecord) throws(TesseraError) -> PutOutcome {
        try put([record]).first ?? .alreadyThere
    }

    /// Stores records, all of them in one atomic step. Those whose key is there already are left alone.
    ///
    /// When the call returns, the records are on disk: their segments, the segments' names and the log of headers have
    /// been synced, a few waits for the disk however many records there are. So hand over many small records at once,
    /// up to some 64 MB. Killed before, none of them is there.
    ///
    /// - Parameter scope: Records that are not given up for these; nil for none.
    /// - Returns: What was done with each, in order.
    /// - Throws: `invalidInput` for a record that contradicts itself; `full` when the cap, the free-disk floor or the
    ///   disk leaves no room; nothing of the batch is stored then.
    @discardableResult
    package func put(
        _ records: [ChunkRecord], sparing scope: RecordScope? = nil
    ) throws(TesseraError) -> [PutOutcome] {
        for record in records { try record.validate() }
        return try writing { (session, ledger) throws(TesseraError) in
            var outcomes: [PutOutcome] = []
            var fresh: [OutgoingRecord] = []
            var keys: Set<ChunkKey> = []
            let now = Self.now()
            for record in records {
                let isRepeat = !keys.insert(record.key).inserted
                let known = isRepeat ? true : try isWhole(record.key, session, &ledger)
                outcomes.append(known ? .alreadyThere : .stored)
                if known { continue }
                fresh.append(try OutgoingRecord(record, created: now, session.database.cipher))
            }
            if !fresh.isEmpty { try write(fresh, sparing: scope, session, &ledger) }
            return outcomes
        }
    }

    /// Removes records; keys that aren't there are ignored.
    ///
    /// When the call returns, none of them is found any more, also after a crash, and their blocks are free, unless
    /// somebody is reading them. Chunks that are loaded stay valid.
    ///
    /// - Returns: The number of records removed.
    @discardableResult
    package func remove(_ keys: some Sequence<ChunkKey>) throws(TesseraError) -> Int {
        let keys = Set(keys)
        return try writing { (session, ledger) throws(TesseraError) in try remove(keys, session, &ledger) }
    }

    /// Removes records, and in the same commit the small `records`.
    func remove(
        _ keys: Set<ChunkKey>, with records: [[UInt8]] = [], _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) -> Int {
        var gone: [(key: ChunkKey, header: RecordHeader)] = []
        for key in keys {
            do throws(TesseraError) {
                if let header = try session.header(key) { gone.append((key, header)) }
            } catch  where error.code == .corrupt {
                try quarantine(key, session, &ledger)
            }
        }
        guard !gone.isEmpty || !records.isEmpty else { return 0 }
        var pinned: [ChunkKey] = []
        for (key, _) in gone where try session.isPinned(key) { pinned.append(key) }
        try commit(session, &ledger) { (batch, next) in
            records.forEach(batch.delete)
            for key in pinned { batch.delete(StoreKey.pin(key)) }
            for (key, header) in gone {
                batch.delete(StoreKey.header(key))
                if let chunk = header.variantOwner { batch.delete(StoreKey.variant(key, of: chunk)) }
                next.release(header)
            }
            return gone.map(\.key)
        }
        reclaim(session, &ledger)
        return gone.count
    }

    /// Writes records: their layers into new segments, then, in one commit that makes them exist, their headers.
    private func write(
        _ records: [OutgoingRecord], sparing scope: RecordScope?, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        try makeRoom(for: records, sparing: scope, session, &ledger)
        try write(records, replacing: [], session, &ledger)
    }

    /// Writes records for which there is room.
    ///
    /// - Parameter old: The headers whose places they take.
    func write(
        _ records: [OutgoingRecord], replacing old: [RecordHeader], _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        var records = records
        let segments = place(&records, &ledger)
        do {
            for group in segments { try write(records[group.records], to: group.segment.number, session) }
            try session.files.sync()
            try commit(session, &ledger) { (batch, next) in
                segments.forEach { next.append($0.segment) }
                old.forEach { next.release($0) }
                for record in records {
                    batch.put(StoreKey.header(record.key), record.header.encoded(for: record.key))
                    if let variant = record.variant, let chunk = record.header.variantOwner {
                        batch.put(
                            StoreKey.variant(record.key, of: chunk), variant.encoded(for: record.key, of: chunk))
                    }
                }
                return records.map(\.key)
            }
        } catch {
            // A commit that failed may have reached the disk all the same; the next opening knows which it was.
            if !session.database.hasFailed { segments.forEach { try? session.files.delete($0.segment.number) } }
            throw error
        }
        for group in segments {
            ledger.measured(group.segment.number, session.files.measure(group.segment.number))
        }
    }

    /// Decides where records go.
    private func place(
        _ records: inout [OutgoingRecord], _ ledger: inout Ledger
    ) -> [(segment: Segment, records: Range<Int>)] {
        let limit = segmentByteCount(ledger)
        var segments: [(segment: Segment, records: Range<Int>)] = []
        var number = ledger.state.nextSegment
        var first = 0
        while first < records.count {
            var (next, byteCount, live) = (first, 0, 0)
            while next < records.count, next == first || byteCount + records[next].allocated <= limit {
                records[next].header.place = RecordPlace(segment: number, offset: UInt64(byteCount))
                byteCount += records[next].allocated
                live += records[next].header.byteCount
                next += 1
            }
            segments.append(
                (
                    Segment(number: number, byteCount: byteCount, liveRecords: next - first, liveBytes: live),
                    first..<next
                )
            )
            (first, number) = (next, number + 1)
        }
        return segments
    }

    private func write(
        _ records: ArraySlice<OutgoingRecord>, to segment: UInt64, _ session: StoreSession
    ) throws(TesseraError) {
        let writer = try session.files.writer(segment)
        for record in records {
            let start = writer.byteCount
            for (layer, place) in zip(record.layers, record.header.layerRanges) {
                try writer.pad(to: start + place.lowerBound)
                try layer.withBytes(writer.append)
            }
            try writer.pad(to: start + record.allocated)
        }
        try writer.finish()
    }

    static func now() -> Int64 {
        Int64(Date().timeIntervalSince1970 * 1_000_000)
    }

    /// Whether a record is there already; one that is damaged or past its time is taken out of the way.
    private func isWhole(
        _ key: ChunkKey, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) -> Bool {
        do {
            guard let header = try session.completeHeader(key) else { return false }
            if ledger.holds(header) {
                guard try isExpired(header, key, session) else { return true }
                counters.expired.increment()
                return try remove([key], session, &ledger) == 0
            }
        } catch  where error.code == .corrupt {}
        try quarantine(key, session, &ledger)
        return false
    }
}
