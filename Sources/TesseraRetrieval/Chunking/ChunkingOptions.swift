// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// How documents are cut into chunks.
public struct ChunkingOptions: Sendable, Hashable {
    /// What becomes of the paragraphs of a section.
    public enum Paragraphs: String, Sendable, Hashable {
        /// Neighbours share a chunk as long as they fit.
        case packed
        /// Each one begins a chunk of its own.
        case separate
    }

    /// The smallest limit: the longest character and the end of a chunk fit.
    public static let smallestLimit = 16

    /// The greatest number of tokens in a chunk, at least ``smallestLimit``.
    public var limit: Int
    /// The number of sentences at the end of a chunk that the next one of the same section repeats, where they fit.
    public var overlap: Int
    /// What becomes of the paragraphs of a section.
    public var paragraphs: Paragraphs

    /// Makes options; by default up to 512 tokens, no overlap, paragraphs packed.
    public init(limit: Int = 512, overlap: Int = 0, paragraphs: Paragraphs = .packed) {
        self.limit = limit
        self.overlap = overlap
        self.paragraphs = paragraphs
    }

    /// Raised whenever the same options would cut the same document otherwise than before.
    static let chunkerVersion = 1

    func add(to digester: inout Digester) {
        digester.add(Self.chunkerVersion)
        digester.add(limit)
        digester.add(overlap)
        digester.add(paragraphs.rawValue)
    }
}
