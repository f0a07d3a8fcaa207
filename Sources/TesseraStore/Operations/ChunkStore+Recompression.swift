// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// What a recompression did.
package struct StoreRecompression: Sendable {
    /// Records that were written anew.
    package var rewritten = 0
    /// Records that are in the form already.
    package var unchanged = 0
    /// Records that were not written anew because a codec with losses made what is there, or because it lacks tokens: only
    /// computing the chunk can make it better.
    package var lossy = 0
    /// Records that stay as they are: prefixes and variants, what would get no smaller, what would be rounded from one format
    /// of 16 bits to another, what is damaged, and what there was no room for.
    package var kept = 0
    /// Bytes that became free.
    package var saved = 0
}

extension ChunkStore {
    /// Writes chunks anew in another form, each in one step: whoever reads the old ones goes on doing so, and killed at any
    /// moment a chunk is there in one of the two. A chunk is always made of what was computed, never of a copy with losses.
    ///
    /// - Parameters:
    ///   - keys: Those of the chunks.
    ///   - form: The form to write them in.
    ///   - progress: Told how many are done.
    /// - Throws: what the disk says; what was rewritten before stays so.
    package func recompress(
        _ keys: [ChunkKey], as form: ColdForm, progress: (Int) -> Void = { _ in }
    ) throws(TesseraError) -> StoreRecompression {
        var outcome = StoreRecompression()
        for (number, key) in keys.enumerated() {
            // One at a time: writers of the store take turns with it.
            try writing { (session, ledger) throws(TesseraError) in
                guard let header = try? session.header(key), header.kind == .chunk, header.provenance == .isolated
                else {
                    outcome.kept += 1
                    return
                }
                let isWhole = header.kept == nil
                let isInCodec = form.codec == nil || form.codec?.rawValue == header.codec
                if isInCodec, form.thinning == nil, isWhole {
                    outcome.unchanged += 1
                } else if !isWhole || StoreCodec(rawValue: header.codec)?.isFaithful != true {
                    outcome.lossy += 1
                } else if let saved = try rewrite(key, as: form, session, &ledger) {
                    outcome.rewritten += 1
                    outcome.saved += saved
                } else {
                    outcome.kept += 1
                }
            }
            progress(number + 1)
        }
        return outcome
    }
}
