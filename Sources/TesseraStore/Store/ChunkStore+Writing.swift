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
    /// The size from which a batch's layers go on in another file.
    static let segmentByteCount = 64 << 20

    /// Stores one record; see ``put(_:)-([ChunkRecord])``.
    @discardableResult
    package func put(_ record: ChunkRecord) throws(TesseraError) -> PutOutcome {
        try put([record]).first ?? .alreadyThere
    }

    /// Stores records, all of them in one atomic step. Those whose key is there already are left alone.
    ///
    /// When the call returns, the records are on disk: the layers' files, RocksDB's manifest and the log of headers
    /// have been synced, three or four waits for the disk however many records there are. So hand over many small
    /// records at once, up to some 64 MB. Killed before, none of them is there.
    ///
    /// - Returns: What was done with each, in order.
    /// - Throws: `invalidInput` for a record that contradicts itself; `full` when the cap, the free-disk floor or the
    ///   disk leaves no room; nothing of the batch is stored then.
    @discardableResult
    package func put(_ records: [ChunkRecord]) throws(TesseraError) -> [PutOutcome] {
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
                let number = ledger.state.nextRecord + UInt64(fresh.count)
                fresh.append(OutgoingRecord(record, number: number, created: now))
            }
            if !fresh.isEmpty { try write(fresh, session, &ledger) }
            return outcomes
        }
    }

    /// Removes records; keys that aren't there are ignored.
    ///
    /// When the call returns, none of them is found any more, also after a crash. Files of which no record is left
    /// are deleted at once; files of which less than half is left are written anew without the rest. Chunks that are
    /// loaded stay valid and keep their file until they go.
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
        var dead: [ClosedRange<UInt64>] = []
        try commit(session, &ledger) { (batch, next) in
            records.forEach(batch.delete)
            for (key, header) in gone {
                batch.delete(StoreKey.header(key))
                if let chunk = header.variantOwner { batch.delete(StoreKey.variant(key, of: chunk)) }
                next.release(record: header.record, byteCount: header.byteCount)
            }
            dead = next.removeDeadSegments()
            return gone.map(\.key)
        }
        drop(dead, session)
        reclaim(session, &ledger)
        return gone.count
    }

    /// Writes records as the newest ones: their layers into files that RocksDB takes in, then, in one commit that
    /// makes them exist, their headers.
    ///
    /// - Parameter replacing: Releases what the records replace, in the same commit.
    func write(
        _ records: [OutgoingRecord], _ session: StoreSession, _ ledger: inout Ledger,
        replacing: (inout Ledger) -> Void = { _ in }
    ) throws(TesseraError) {
        try makeRoom(for: records, session, &ledger)
        let segments = try stage(records, session)
        do {
            try session.database.ingest(segments.map { staged($0, session) })
            try commit(session, &ledger) { (batch, next) in
                replacing(&next)
                segments.forEach { next.append($0) }
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
            for segment in segments { try? FileManager.default.removeItem(atPath: staged(segment, session)) }
            drop(segments.map { $0.first...$0.last }, session)
            throw error
        }
        ledger.writtenBytes += segments.reduce(0) { $0 + Int($1.byteCount) }
        ledger.writtenBytes += records.reduce(0) { $0 + ($1.variant?.byteCount ?? 0) }
    }

    /// Deletes the files of ranges that no header points into. If that fails, the next opening does it.
    func drop(_ ranges: [ClosedRange<UInt64>], _ session: StoreSession) {
        for range in ranges {
            do { try session.database.dropLayerFiles(range) } catch {
                note("couldn't delete layers, which the next opening does: \(error)")
            }
        }
    }

    static func now() -> Int64 {
        Int64(Date().timeIntervalSince1970 * 1_000_000)
    }

    /// Writes the layers of records into staging files.
    private func stage(_ records: [OutgoingRecord], _ session: StoreSession) throws(TesseraError) -> [Segment] {
        var segments: [Segment] = []
        var rest = records[...]
        do {
            while let first = rest.first {
                var byteCount = 0
                let group = rest.prefix { record in
                    defer { byteCount += record.header.byteCount }
                    return byteCount < Self.segmentByteCount
                }
                rest = rest.dropFirst(group.count)
                let bytes = group.reduce(0) { $0 + $1.header.byteCount }
                var segment = Segment(
                    first: first.header.record, last: first.header.record + UInt64(group.count) - 1, byteCount: 0,
                    liveRecords: group.count, liveBytes: bytes)
                segments.append(segment)
                segment.byteCount = UInt64(try write(group, to: staged(segment, session), session))
                segments[segments.count - 1] = segment
            }
            return segments
        } catch {
            for segment in segments { try? FileManager.default.removeItem(atPath: staged(segment, session)) }
            throw error
        }
    }

    private func write(
        _ records: ArraySlice<OutgoingRecord>, to path: String, _ session: StoreSession
    ) throws(TesseraError) -> Int {
        let file = try LayerFileWriter(path: path, options: session.database.options)
        for record in records {
            for layer in record.header.layers.indices {
                let key = StoreKey.layer(record.header.record, layer)
                try record.withLayer(layer) { (bytes) throws(TesseraError) in try file.put(key, bytes) }
            }
        }
        return try file.finish()
    }

    private func staged(_ segment: Segment, _ session: StoreSession) -> String {
        "\(session.directory.staging)/\(segment.first).sst"
    }

    /// Whether a record is there already; one that is damaged is taken out of the way.
    private func isWhole(
        _ key: ChunkKey, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) -> Bool {
        do {
            guard let header = try session.completeHeader(key) else { return false }
            if ledger.holds(record: header.record) { return true }
        } catch  where error.code == .corrupt {}
        try quarantine(key, session, &ledger)
        return false
    }
}
