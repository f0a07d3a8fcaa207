// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// The keys of all chunks of one fingerprint in one namespace that have an isolated record.
    package func chunkKeys(fingerprint: Digest256, namespace: String) throws(TesseraError) -> [ChunkKey] {
        try session().catalog.chunkKeys(fingerprint: fingerprint, namespace: namespace)
    }

    /// The keys of all chunks of one fingerprint in one namespace that have contextual variants, be there an isolated
    /// record or not.
    package func variantOwners(fingerprint: Digest256, namespace: String) throws(TesseraError) -> Set<ChunkKey> {
        try session().catalog.variantOwners(fingerprint: fingerprint, namespace: namespace)
    }

    /// All chunk records, isolated and contextual, of one fingerprint in one namespace: the bytes of their layers and
    /// how often a lookup found them. A crash may lose the latest uses.
    package func records(
        fingerprint: Digest256, namespace: String
    ) throws(TesseraError) -> [(key: ChunkKey, bytes: Int, uses: Int)] {
        let session = try session()
        try flushUses(session)
        return try session.catalog.records(fingerprint: fingerprint, namespace: namespace)
    }
}
