// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// Finds the record of a key, if it is of just this fingerprint and these tokens.
    ///
    /// The key finds, the rest decides: a record of another fingerprint or of other tokens is a miss and is counted,
    /// and so is a damaged header, which is also taken out.
    ///
    /// - Throws: Only when the store has been closed.
    package func lookup(
        _ key: ChunkKey, fingerprint: Digest256, tokens: [TokenID]
    ) throws(TesseraError) -> StoredChunk? {
        try lookup(key) { $0.fingerprint == fingerprint && $0.tokens == tokens }
    }

    /// Finds the record of a chunk that was encoded alone by its key, if it is of just this fingerprint and namespace;
    /// counted as by ``lookup(_:fingerprint:tokens:)``.
    ///
    /// - Throws: Only when the store has been closed.
    package func lookup(
        _ key: ChunkKey, fingerprint: Digest256, namespace: String
    ) throws(TesseraError) -> StoredChunk? {
        // Whoever asks for another's record shall not learn from the clock that there is one.
        try lookup(key, namespace: namespace) {
            $0.fingerprint == fingerprint && $0.namespace == namespace && $0.provenance == .isolated
        }
    }

    /// Finds the record of a key and counts what comes of it; one that isn't `asked` for is a miss.
    ///
    /// - Parameter namespace: The one namespace whose records are looked at; nil for any.
    func lookup(
        _ key: ChunkKey, namespace: String? = nil, asked: (StoredChunk) -> Bool
    ) throws(TesseraError) -> StoredChunk? {
        guard let chunk = try find(key, try session(), namespace: namespace) else {
            counters.misses.increment()
            return nil
        }
        guard asked(chunk) else {
            counters.mismatches.increment()
            counters.misses.increment()
            return nil
        }
        counters.hits.increment()
        noteUse(of: key)
        return chunk
    }

    /// Finds the longest prefix record whose whole run of ids leads `tokens`.
    ///
    /// - Throws: When the store has been closed or the catalog fails.
    package func longestPrefix(
        fingerprint: Digest256, namespace: String, tokens: [TokenID]
    ) throws(TesseraError) -> StoredChunk? {
        let session = try session()
        let lengths = try session.catalog.prefixLengths(
            fingerprint: fingerprint, namespace: namespace, upTo: tokens.count)
        for length in lengths {
            let run = Array(tokens.prefix(length))
            let key = ChunkKey(fingerprint: fingerprint, namespace: namespace, prefix: run)
            guard let chunk = try find(key, session) else { continue }
            guard chunk.fingerprint == fingerprint, chunk.tokens == run, chunk.kind == .prefix else {
                counters.mismatches.increment()
                continue
            }
            counters.hits.increment()
            noteUse(of: key)
            return chunk
        }
        counters.misses.increment()
        return nil
    }

    /// Whether a record stands under each key. Nothing of it is verified, but that a variant is complete, and nothing
    /// is counted.
    ///
    /// - Complexity: O(keys), some microseconds for each.
    package func contains(_ keys: [ChunkKey]) throws(TesseraError) -> [Bool] {
        let session = try session()
        var there: [Bool] = []
        there.reserveCapacity(keys.count)
        for key in keys { there.append(try contains(key, session)) }
        return there
    }

    private func contains(_ key: ChunkKey, _ session: StoreSession) throws(TesseraError) -> Bool {
        let isVariant = try session.database.withValue(StoreKey.header(key)) { (bytes) throws(TesseraError) in
            RecordHeader.provenance(peeking: bytes) == .contextual
        }
        guard isVariant == true || options.eviction.timeToLive != nil else { return isVariant != nil }
        do {
            guard let header = try session.completeHeader(key) else { return false }
            return try !isExpired(header, key, session)
        } catch  where error.code == .corrupt { return false }
    }

    /// Loads a record: all layers or a miss.
    ///
    /// Every layer is read, measured and verified before this returns, so that nothing can go wrong between layer 0 and
    /// the last. A record that is damaged is counted and taken out, one that was removed meanwhile is a plain miss.
    ///
    /// - Throws: Only when the store has been closed.
    package func load(_ chunk: StoredChunk) throws(TesseraError) -> LoadedChunk? {
        let session = try session()
        if let hot = session.hot.find(chunk) { return hot }
        do throws(TesseraError) {
            guard let bytes = try session.layers(chunk.header.layers.indices, of: chunk) else {
                _ = try settle(chunk, session)
                return nil
            }
            let loaded = LoadedChunk(chunk, bytes)
            if let room = session.hot.reserve(chunk.key, byteCount: loaded.footprint) {
                session.hot.admit(loaded.unpacked(session.memory), room)
            }
            return loaded
        } catch {
            noteFailedRead(error)
            return nil
        }
    }

    /// Begins to load a record whose layers are wanted one after the other: from the hot tier, or read when they are asked
    /// for. Nil for a miss, also where its file is missing or can't be opened.
    ///
    /// - Throws: Only when the store has been closed.
    package func stream(_ chunk: StoredChunk) throws(TesseraError) -> StreamedChunk? {
        let session = try session()
        if let hot = session.hot.find(chunk) { return StreamedChunk(hot: hot, self, session) }
        do {
            let reader = try LayerReader(chunk, session)
            let room = session.hot.reserve(chunk.key, byteCount: chunk.header.extent)
            return StreamedChunk(chunk, reader, room: room, self, session)
        } catch {
            guard error.code == .notFound else {
                noteFailedRead(error)
                return nil
            }
        }
        do { _ = try settle(chunk, session) } catch { noteFailedRead(error) }
        return nil
    }

    /// Counts a read that failed for another reason than damage.
    func noteFailedRead(_ error: TesseraError) {
        counters.failedReads.increment()
        note("a read failed: \(error)")
    }

    /// Finds out why a record's layers aren't what its header says, and takes a damaged one out.
    ///
    /// - Returns: Whether the record was removed, or put anew, since it was looked up.
    func settle(_ chunk: StoredChunk, _ session: StoreSession) throws(TesseraError) -> Bool {
        guard let header = try session.header(chunk.key), header.place == chunk.header.place else { return true }
        try writing { (session, ledger) throws(TesseraError) in
            try quarantine(chunk.key, ifAt: chunk.header.place, session, &ledger)
        }
        return false
    }

    /// A key's record; nil when there is none or its header is damaged, which is dealt with.
    private func find(
        _ key: ChunkKey, _ session: StoreSession, namespace: String? = nil
    ) throws(TesseraError) -> StoredChunk? {
        do {
            guard let header = try session.completeHeader(key, namespace: namespace) else { return nil }
            guard try !isExpired(header, key, session) else {
                counters.expired.increment()
                return nil
            }
            return StoredChunk(key: key, header: header)
        } catch  where error.code == .corrupt {
            do {
                try writing { (session, ledger) throws(TesseraError) in try quarantine(key, session, &ledger) }
            } catch { note("a damaged record couldn't be taken out: \(error)") }
        } catch {
            noteFailedRead(error)
        }
        return nil
    }
}
