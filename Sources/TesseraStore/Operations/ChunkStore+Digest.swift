// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// A digest of all records of a namespace, or of all: equal for two stores that hold the same, whatever their
    /// history. Every layer is read and verified; where the store is encrypted, it is the open bytes that count.
    ///
    /// - Throws: `corrupt` when a record is damaged.
    package func contentDigest(namespace: String? = nil) throws(TesseraError) -> (digest: Digest256, records: Int) {
        let session = try session()
        var digester = Digester()
        var records = 0
        try session.database.scan(StoreKey.headers) { (name, value) throws(TesseraError) in
            guard let key = StoreKey.chunk(ofHeader: name) else { return true }
            let chunk = StoredChunk(key: key, header: try RecordHeader(value, for: key))
            guard namespace == nil || chunk.namespace == namespace else { return true }
            guard let layers = try session.layers(chunk.header.layers.indices, of: chunk) else {
                throw TesseraError(
                    .corrupt, "the record \(key) is damaged; `tessera store repair` takes it out of the store")
            }
            digester.add(key.digest)
            digester.add(chunk.codec)
            digester.add([chunk.layout.layers, chunk.layout.heads, chunk.layout.headDimension].description)
            if let kept = chunk.kept { digester.add(kept.description) }
            if let owner = chunk.header.variantOwner {
                let small = try session.database.value(StoreKey.variant(key, of: owner)) ?? []
                digester.add(Digest256(of: small))
            }
            for layer in chunk.header.layers.indices {
                digester.add(layers.withLayer(layer) { Digest256(of: $0) })
            }
            records += 1
            return true
        }
        return (digester.digest(), records)
    }

    /// Makes the catalog again from the headers. Counts of uses start over.
    ///
    /// - Returns: The number of records in it.
    @discardableResult
    package func rebuildCatalog() throws(TesseraError) -> Int {
        try writing { (session, ledger) throws(TesseraError) in
            try CatalogKeeper(session).rebuild(ledger.state)
            return try session.catalog.tallies().reduce(0) { $0 + $1.records }
        }
    }
}
