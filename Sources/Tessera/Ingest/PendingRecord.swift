// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraStore

/// A run of tokens whose KV is to be computed and kept.
struct PendingRecord: Sendable, Hashable {
    /// Whether it is encoded behind the recipe's prefix or at the head of a prompt.
    var kind: RecordKind
    /// Its ids, without any prefix.
    var tokens: [TokenID]

    /// The key that it will be found by.
    func key(fingerprint: Digest256, namespace: String) -> ChunkKey {
        switch kind {
        case .chunk: ChunkKey(fingerprint: fingerprint, namespace: namespace, chunk: tokens)
        case .prefix: ChunkKey(fingerprint: fingerprint, namespace: namespace, prefix: tokens)
        }
    }
}
