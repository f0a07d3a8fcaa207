// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension ChunkStore {
    /// Takes a damaged record out of lookup and counts it.
    ///
    /// Its header's bytes are kept aside, for whoever wants to know what happened; its layers become garbage that
    /// goes with their segment.
    ///
    /// - Parameters:
    ///   - place: Where the record lies that was found damaged; nothing is done when another has taken its place
    ///     meanwhile. Nil when the header itself is damaged, or the small record of a variant.
    ///   - chunk: The chunk that it is a variant of, where that is known.
    func quarantine(
        _ key: ChunkKey, ifAt place: RecordPlace? = nil, variantOf chunk: ChunkKey? = nil, _ session: StoreSession,
        _ ledger: inout Ledger
    ) throws(TesseraError) {
        guard let bytes = try session.database.rawValue(StoreKey.header(key)) else { return }
        let header = try? session.header(key)
        if let place, let header, header.place != place { return }
        if place == nil, let header, ledger.holds(header), try session.isComplete(header, key) { return }
        counters.damaged.increment()
        note("took out a damaged record")
        // A header that can't be read doesn't say which segment it leaves; the catalog does.
        let entry = if let header { Catalog.Entry(header) } else { try session.catalog.entry(of: key) }
        let chunk = chunk ?? entry?.owner
        try commit(session, &ledger) { (batch, next) in
            batch.delete(StoreKey.header(key))
            batch.delete(StoreKey.pin(key))
            batch.put(StoreKey.quarantine(next.state.sequence, key), bytes)
            if let chunk { batch.delete(StoreKey.variant(key, of: chunk)) }
            // No blocks are given back on the word of a damaged record: they might be a neighbour's.
            if let entry { next.release(segment: entry.segment, byteCount: entry.byteCount) }
            return [key]
        }
        reclaim(session, &ledger)
    }

    /// Takes out a variant of which a scan found that its small record or its header is damaged or missing.
    ///
    /// Nothing is done when by now it is gone, or whole again.
    func takeOutVariant(
        _ key: ChunkKey, of chunk: ChunkKey, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        let record = StoreKey.variant(key, of: chunk)
        guard try session.database.withValue(record, { (_) throws(TesseraError) in true }) != nil else { return }
        var entry: Catalog.Entry?
        do {
            if let header = try session.completeHeader(key) {
                // That of another chunk's variant is none of this record's business.
                if header.variantOwner == chunk { return }
            } else {
                entry = try session.catalog.entry(of: key)
            }
        } catch  where error.code == .corrupt {
            return try quarantine(key, variantOf: chunk, session, &ledger)
        }
        counters.damaged.increment()
        note("took out a damaged record")
        try commit(session, &ledger) { (batch, next) in
            batch.delete(record)
            if let entry { next.release(segment: entry.segment, byteCount: entry.byteCount) }
            return [key]
        }
        reclaim(session, &ledger)
    }
}
