// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// The contextual variants of a chunk, in no order that means anything.
    ///
    /// One scan of small records, each checked against its header; no layer is read and nothing counts as a use. What
    /// turns out damaged is left out, counted and taken out of the store.
    ///
    /// - Throws: Only when the store has been closed.
    package func variants(
        of chunk: ChunkKey, fingerprint: Digest256, tokens: [TokenID]
    ) throws(TesseraError) -> [StoredVariant] {
        let session = try session()
        var scan = VariantScan(chunk: chunk, fingerprint: fingerprint, tokens: tokens)
        let (start, end) = StoreKey.variants(of: chunk)
        do {
            try session.database.scan(from: start, upTo: end) { (key, value) throws(TesseraError) in
                if let key = StoreKey.variant(ofRecord: key) { scan.visit(key, value, session) }
                return true
            }
        } catch {
            noteFailedRead(error)
        }
        for key in scan.damaged {
            do {
                try writing { (session, ledger) throws(TesseraError) in
                    try takeOutVariant(key, of: chunk, session, &ledger)
                }
            } catch { note("a damaged record couldn't be taken out: \(error)") }
        }
        return scan.found
    }

    /// Finds the record of a variant, if it is of just this fingerprint and these tokens; counted as by
    /// ``lookup(_:fingerprint:tokens:)``.
    ///
    /// - Throws: Only when the store has been closed.
    package func chunk(
        of variant: StoredVariant, fingerprint: Digest256, tokens: [TokenID]
    ) throws(TesseraError) -> StoredChunk? {
        try lookup(variant.key) { chunk in
            chunk.fingerprint == fingerprint && chunk.tokens == tokens && chunk.header.variantOwner == variant.chunk
        }
    }

    /// Removes all contextual variants of chunks; the chunks' isolated records stay. See ``remove(_:)``.
    ///
    /// - Returns: The number of variants removed.
    @discardableResult
    package func removeVariants(of chunks: some Sequence<ChunkKey>) throws(TesseraError) -> Int {
        let chunks = Set(chunks)
        return try writing { (session, ledger) throws(TesseraError) in
            var keys: Set<ChunkKey> = []
            var records: [[UInt8]] = []
            for chunk in chunks {
                let (start, end) = StoreKey.variants(of: chunk)
                try session.database.scan(from: start, upTo: end) { (record, _) throws(TesseraError) in
                    records.append([UInt8](record))
                    guard let key = StoreKey.variant(ofRecord: record) else { return true }
                    // A small record that names another chunk's variant goes, that variant doesn't.
                    if try session.isVariant(key, of: chunk) { keys.insert(key) }
                    return true
                }
            }
            return try remove(keys, with: records, session, &ledger)
        }
    }
}

/// What one scan of a chunk's variants comes upon.
private struct VariantScan {
    let chunk: ChunkKey
    let fingerprint: Digest256
    let tokens: [TokenID]
    private(set) var found: [StoredVariant] = []
    private(set) var damaged: [ChunkKey] = []
    /// The namespace of which it is known that it makes, with fingerprint and tokens, the chunk's key.
    private var namespace: String?

    init(chunk: ChunkKey, fingerprint: Digest256, tokens: [TokenID]) {
        (self.chunk, self.fingerprint, self.tokens) = (chunk, fingerprint, tokens)
    }

    mutating func visit(_ key: ChunkKey, _ value: UnsafeRawBufferPointer, _ session: StoreSession) {
        do throws(TesseraError) {
            let record = try VariantRecord(value, for: key, of: chunk)
            guard let header = try session.header(key) else { return damaged.append(key) }
            guard header.fingerprint == fingerprint, header.tokens == tokens else { return }
            guard belongs(header) else { return damaged.append(key) }
            found.append(
                StoredVariant(key: key, chunk: chunk, behind: record.behind, statistics: record.statistics))
        } catch {
            // What a newer build wrote, or a disk that fails now, is no damage.
            if error.code == .corrupt { damaged.append(key) }
        }
    }

    /// Whether a header of these tokens is of a variant of this chunk. The digest is taken once for a namespace.
    private mutating func belongs(_ header: RecordHeader) -> Bool {
        guard header.provenance == .contextual else { return false }
        if header.namespace == namespace { return true }
        guard header.variantOwner == chunk else { return false }
        namespace = header.namespace
        return true
    }
}
