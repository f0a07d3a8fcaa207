// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV
internal import TesseraRetrieval
internal import TesseraStore

extension ContextCache {
    /// Releases chunks that no document of any index of this cache holds any more.
    ///
    /// Documents count as they were when their index was last brought up to date, but for those whose file is gone.
    /// Chunks that came with prompts alone, and stand in no document, are released too, and so are variants of other
    /// chunks that were captured behind a released one: its words are in them.
    ///
    /// - Returns: How many records were released.
    public func prune() async throws(TesseraError) -> Int {
        var held: Set<ChunkKey> = []
        try await forEachHeldPage { page throws(TesseraError) in held.formUnion(page.map { key(of: $0.tokens) }) }
        let orphans = try store.chunkKeys(fingerprint: fingerprintDigest, namespace: namespace).filter {
            !held.contains($0)
        }
        try store.remove(orphans)
        // A chunk may have contextual variants without an isolated record.
        let owners = try store.variantOwners(fingerprint: fingerprintDigest, namespace: namespace)
        let orphaned = try store.removeVariants(of: owners.subtracting(held))
        let coloured = try await colouredVariants(of: owners, held: held)
        try store.remove(coloured)
        shelf.forget(orphans + coloured)
        try forgetScores(keeping: held)
        knownVariants.removeAll()
        return orphans.count + orphaned + coloured.count
    }

    /// The variants of chunks that were captured behind chunks that are not held any more.
    private func colouredVariants(
        of owners: Set<ChunkKey>, held: Set<ChunkKey>
    ) async throws(TesseraError) -> [ChunkKey] {
        var found: Set<ChunkKey> = []
        guard !owners.isDisjoint(with: held) else { return [] }
        try await forEachHeldPage { page throws(TesseraError) in
            for chunk in page {
                let own = key(of: chunk.tokens)
                guard owners.contains(own) else { continue }
                let known = variants(of: own, tokens: chunk.tokens)
                found.formUnion(known.filter { !held.isSuperset(of: $0.behind) }.map(\.key))
            }
        }
        return Array(found)
    }

    /// Goes through the documents of all indexes that are still there.
    private func forEachHeldPage(_ body: ([DocumentChunk]) throws(TesseraError) -> Void) async throws(TesseraError) {
        for options in indexedOptions() {
            let index = try documentIndex(options: options)
            let present = try index.documents().map(\.path).filter { FileManager.default.fileExists(atPath: $0) }
            guard !present.isEmpty else { continue }
            try await forEachPage(of: index, under: present, body)
        }
    }
}
