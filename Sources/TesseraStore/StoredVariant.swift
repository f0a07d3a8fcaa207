// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// A contextual variant of a chunk, as far as it takes to choose among variants.
///
/// Like ``StoredChunk`` it is a note and holds nothing on disk.
package struct StoredVariant: Sendable {
    /// The name that the variant's record is stored by.
    package let key: ChunkKey
    /// The isolated key of the same tokens.
    package let chunk: ChunkKey
    /// The isolated keys of the chunks that it was captured behind, in their order.
    package let behind: [ChunkKey]
    /// What its capture measured, as it was put.
    package let statistics: [UInt8]

    /// Makes a note of a variant.
    package init(key: ChunkKey, chunk: ChunkKey, behind: [ChunkKey], statistics: [UInt8]) {
        (self.key, self.chunk, self.behind, self.statistics) = (key, chunk, behind, statistics)
    }
}
