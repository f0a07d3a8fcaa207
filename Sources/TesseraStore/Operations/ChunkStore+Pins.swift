// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// Keeps records whatever room is needed, until they are unpinned or removed. On return that is on disk.
    ///
    /// - Throws: `notFound` for a key without a record; none is pinned then.
    package func pin(_ keys: some Sequence<ChunkKey>) throws(TesseraError) {
        try setPins(Set(keys), to: true)
    }

    /// Lets records be given up again; those that aren't pinned are ignored.
    package func unpin(_ keys: some Sequence<ChunkKey>) throws(TesseraError) {
        try setPins(Set(keys), to: false)
    }

    private func setPins(_ keys: Set<ChunkKey>, to isPinned: Bool) throws(TesseraError) {
        try writing { (session, ledger) throws(TesseraError) in
            for key in keys where isPinned {
                guard try session.completeHeader(key) != nil else {
                    throw TesseraError(.notFound, "the store has no record \(key)")
                }
            }
            var changed: [ChunkKey] = []
            for key in keys where try session.isPinned(key) != isPinned { changed.append(key) }
            guard !changed.isEmpty else { return }
            try commit(session, &ledger) { (batch, _) in
                for key in changed {
                    if isPinned { batch.put(StoreKey.pin(key), []) } else { batch.delete(StoreKey.pin(key)) }
                }
                return changed
            }
        }
    }
}
