// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension ChunkStore {
    /// Takes a damaged record out of lookup and counts it.
    ///
    /// Its header's bytes are kept aside, for whoever wants to know what happened; its layers become garbage like
    /// those of a removed record.
    ///
    /// - Parameter record: The number of the record that was found damaged; nothing is done when another has taken its
    ///   place meanwhile. Nil when the header itself is damaged.
    func quarantine(
        _ key: ChunkKey, ifRecord record: UInt64? = nil, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        guard let bytes = try session.database.value(StoreKey.header(key)) else { return }
        let header = try? bytes.withBytes { (bytes) throws(TesseraError) in
            try RecordHeader(bytes, for: key)
        }
        if let record, let header, header.record != record { return }
        if record == nil, let header, ledger.holds(record: header.record) { return }
        counters.damaged.increment()
        note("took out a damaged record")
        // A header that can't be read doesn't say which file it leaves; the catalog does.
        let place = try header == nil ? session.catalog.place(of: key) : header.map { ($0.record, $0.byteCount) }
        var dead: [ClosedRange<UInt64>] = []
        try commit(session, &ledger) { (batch, next) in
            batch.delete(StoreKey.header(key))
            batch.put(StoreKey.quarantine(next.state.sequence, key), bytes)
            if let (record, byteCount) = place { next.release(record: record, byteCount: byteCount) }
            dead = next.removeDeadSegments()
            return [key]
        }
        drop(dead, session)
    }
}
