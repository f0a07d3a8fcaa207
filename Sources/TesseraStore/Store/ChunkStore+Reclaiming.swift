// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension ChunkStore {
    /// Writes anew, without the rest, files of which less than half is still used.
    ///
    /// It needs the catalog to know what a file holds, and room for what is moved; where one is lacking, the files
    /// stay as they are and are tried again after the next removal.
    func reclaim(_ session: StoreSession, _ ledger: inout Ledger) {
        let sparse = ledger.segments.filter { $0.byteCount > 2 * $0.liveBytes + Self.negligibleBytes }
        for segment in sparse {
            do {
                try move(segment, session, &ledger)
                // By now nothing of ours pins the file, so that it is gone when this returns.
                if !ledger.holds(record: segment.first) { drop([segment.first...segment.last], session) }
            } catch {
                note("couldn't reclaim the bytes of removed records: \(error)")
                return
            }
        }
    }

    private static let negligibleBytes: UInt64 = 1 << 20

    private func move(_ segment: Segment, _ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) {
        guard try session.catalog.position() == Catalog.Position(of: ledger.state) else { return }
        let range = segment.first...segment.last
        var moved: [OutgoingRecord] = []
        for key in try session.catalog.keys(of: range) {
            guard var header = try session.header(key), range.contains(header.record) else { continue }
            let pinned = try PinnedLayers(session.database, record: header.record, layers: header.layers.indices)
            guard header.matches(pinned, header.layers.indices) else {
                try quarantine(key, session, &ledger)
                continue
            }
            header.record = ledger.state.nextRecord + UInt64(moved.count)
            moved.append(OutgoingRecord(moving: key, header, pinned))
        }
        guard !moved.isEmpty else { return }
        try write(moved, session, &ledger) { next in
            for record in moved { next.release(record: segment.first, byteCount: record.header.byteCount) }
            _ = next.removeDeadSegments()
        }
    }
}
