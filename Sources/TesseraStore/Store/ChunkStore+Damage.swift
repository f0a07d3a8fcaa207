// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension ChunkStore {
    /// Takes a damaged record out of lookup and counts it.
    ///
    /// Its header's bytes are kept aside, for whoever wants to know what happened; its layers become garbage like
    /// those of a removed record.
    ///
    /// - Parameters:
    ///   - record: The number of the record that was found damaged; nothing is done when another has taken its place
    ///     meanwhile. Nil when the header itself is damaged, or the small record of a variant.
    ///   - chunk: The chunk that it is a variant of, where that is known.
    func quarantine(
        _ key: ChunkKey, ifRecord record: UInt64? = nil, variantOf chunk: ChunkKey? = nil, _ session: StoreSession,
        _ ledger: inout Ledger
    ) throws(TesseraError) {
        guard let bytes = try session.database.value(StoreKey.header(key)) else { return }
        let header = try? bytes.withBytes { (bytes) throws(TesseraError) in
            try RecordHeader(bytes, for: key)
        }
        if let record, let header, header.record != record { return }
        if record == nil, let header, ledger.holds(record: header.record), try session.isComplete(header, key) {
            return
        }
        counters.damaged.increment()
        note("took out a damaged record")
        // A header that can't be read doesn't say which file it leaves; the catalog does.
        let place = if let header { Catalog.Place(header) } else { try session.catalog.place(of: key) }
        let chunk = chunk ?? place?.owner
        var dead: [ClosedRange<UInt64>] = []
        try commit(session, &ledger) { (batch, next) in
            batch.delete(StoreKey.header(key))
            batch.put(StoreKey.quarantine(next.state.sequence, key), bytes)
            if let chunk { batch.delete(StoreKey.variant(key, of: chunk)) }
            if let place { next.release(record: place.record, byteCount: place.byteCount) }
            dead = next.removeDeadSegments()
            return [key]
        }
        drop(dead, session)
    }

    /// Takes out a variant of which a scan found that its small record or its header is damaged or missing.
    ///
    /// Nothing is done when by now it is gone, or whole again.
    func takeOutVariant(
        _ key: ChunkKey, of chunk: ChunkKey, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        let record = StoreKey.variant(key, of: chunk)
        guard try session.database.withValue(record, { (_) throws(TesseraError) in true }) != nil else { return }
        var place: Catalog.Place?
        do {
            if let header = try session.completeHeader(key) {
                // That of another chunk's variant is none of this record's business.
                if header.variantOwner == chunk { return }
            } else {
                place = try session.catalog.place(of: key)
            }
        } catch  where error.code == .corrupt {
            return try quarantine(key, variantOf: chunk, session, &ledger)
        }
        counters.damaged.increment()
        note("took out a damaged record")
        var dead: [ClosedRange<UInt64>] = []
        try commit(session, &ledger) { (batch, next) in
            batch.delete(record)
            if let place { next.release(record: place.record, byteCount: place.byteCount) }
            dead = next.removeDeadSegments()
            return [key]
        }
        drop(dead, session)
    }
}
