// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// The keys of all chunks of one fingerprint in one namespace.
    package func chunkKeys(fingerprint: Digest256, namespace: String) throws(TesseraError) -> [ChunkKey] {
        try session().catalog.chunkKeys(fingerprint: fingerprint, namespace: namespace)
    }
}
