// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Keeps the catalog in step with the database: replays the journal, or makes the catalog again.
struct CatalogKeeper {
    private let database: RocksDatabase
    private let catalog: Catalog
    private let session: StoreSession

    init(_ session: StoreSession) {
        self.session = session
        (database, catalog) = (session.database, session.catalog)
    }

    /// What it took to bring the catalog up to date.
    enum Outcome {
        case current, replayed, madeAgain
    }

    /// Replays what the catalog hasn't seen; nothing when one comparison says that it has seen all.
    @discardableResult
    func catchUp(with state: StoreState) throws(TesseraError) -> Outcome {
        let position = try catalog.position()
        let goal = Catalog.Position(of: state)
        guard position != goal else { return .current }
        guard let position, let keys = try changedKeys(since: position, upTo: state) else {
            try rebuild(state)
            return .madeAgain
        }
        var changes: [Catalog.Change] = []
        for key in keys {
            changes.append(
                Catalog.Change(key: key, header: try header(key), isPinned: try session.isPinned(key)))
        }
        try catalog.apply(changes, upTo: goal)
        return .replayed
    }

    /// Makes the catalog again from all headers. Damaged ones are left out; a lookup finds and quarantines them.
    func rebuild(_ state: StoreState) throws(TesseraError) {
        var start = StoreKey.headers.start
        try catalog.rebuild(upTo: Catalog.Position(of: state)) {
            var part: [Catalog.Change] = []
            try database.scan(from: start, upTo: StoreKey.headers.end) { (key, value) throws(TesseraError) in
                start = [UInt8](key) + [0]
                if let chunk = StoreKey.chunk(ofHeader: key), let header = try? RecordHeader(value, for: chunk),
                    try session.isComplete(header, chunk)
                {
                    part.append(
                        Catalog.Change(key: chunk, header: header, isPinned: try session.isPinned(chunk)))
                }
                return part.count < 1000
            }
            return part
        }
    }

    /// The keys that changed since the catalog was current; nil when the journal doesn't tell, because it doesn't reach back
    /// that far, is of another history, or is damaged.
    private func changedKeys(
        since position: Catalog.Position, upTo state: StoreState
    ) throws(TesseraError) -> Set<ChunkKey>? {
        do throws(TesseraError) {
            guard try canReplay(from: position, to: state) else { return nil }
            var keys: Set<ChunkKey> = []
            try database.scan(from: StoreKey.journal(position.sequence + 1), upTo: StoreKey.journal.end) {
                (_, value) throws(TesseraError) in
                keys.formUnion(try JournalEntry(value).keys)
                return true
            }
            return keys
        } catch {
            guard error.code == .corrupt else { throw error }
            return nil
        }
    }

    /// Whether the journal reaches back to where the catalog stands, in the same history.
    private func canReplay(from position: Catalog.Position, to state: StoreState) throws(TesseraError) -> Bool {
        guard position.identity == state.identity, position.sequence < state.sequence else { return false }
        if position.sequence == 0 {
            return try database.withValue(StoreKey.journal(1)) { (_) throws(TesseraError) in true } ?? false
        }
        let nonce = try database.withValue(StoreKey.journal(position.sequence)) { (bytes) throws(TesseraError) in
            try JournalEntry(bytes).nonce
        }
        return nonce == position.nonce
    }

    /// A key's header; none when it is damaged, as a lookup will find out and count.
    private func header(_ key: ChunkKey) throws(TesseraError) -> RecordHeader? {
        do { return try session.completeHeader(key) } catch  where error.code == .corrupt { return nil }
    }
}
