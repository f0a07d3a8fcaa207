// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV

extension ChunkStore {
    /// Writes one commit: what `build` adds to the batch and the books, all of it or nothing. On return it is on disk
    /// and the catalog has been told.
    ///
    /// - Parameter build: Adds to the batch and the books and gives the keys whose headers changed.
    func commit(
        _ session: StoreSession, _ ledger: inout Ledger,
        _ build: (WriteBatch, inout Ledger) throws(TesseraError) -> [ChunkKey]
    ) throws(TesseraError) {
        let batch = session.database.batch()
        var next = ledger
        let keys = try build(batch, &next)
        next.seal(batch, keys: keys)
        try session.database.write(batch)
        ledger = next
        session.hot.drop(keys)
        updateCatalog(session, &ledger)
        tellDesk(of: keys, session)
    }

    /// Tells the eviction policy of records that came, went or were pinned.
    private func tellDesk(of keys: [ChunkKey], _ session: StoreSession) {
        let now = Self.now()
        for key in keys {
            // A header that can't be read is as good as none: whoever looks it up takes it out.
            let header = (try? session.header(key)) ?? nil
            let isPinned = (try? session.isPinned(key)) ?? false
            desk.withLock { $0.changed(key, to: header, isPinned: isPinned, at: now) }
        }
    }

    /// Brings the catalog up to the last commit. The commit stands whatever comes of it: a catalog that can't follow
    /// is noted, tried again at the next commit and at the latest made good when the store is next opened.
    private func updateCatalog(_ session: StoreSession, _ ledger: inout Ledger) {
        do {
            try CatalogKeeper(session).catchUp(with: ledger.state)
            if ledger.journalLength >= longestJournal.value { try cutJournal(session, &ledger) }
        } catch {
            note("the catalog couldn't follow: \(error)")
        }
    }

    /// Deletes what the catalog no longer needs to replay, once that is on disk in the catalog itself.
    private func cutJournal(_ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) {
        try session.catalog.checkpoint()
        let batch = session.database.batch()
        batch.delete(from: StoreKey.journal(0), upTo: StoreKey.journal(ledger.state.sequence))
        try session.database.write(batch)
        ledger.journalLength = 0
    }
}
