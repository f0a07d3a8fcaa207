// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
public import TesseraKV

/// A chunk as the index holds it.
public struct DocumentChunk: Sendable, Hashable {
    /// The text, which ends with a blank line.
    public var text: String
    /// The ids of the text.
    public var tokens: [TokenID]
    /// Where it stands.
    public var source: ChunkSource

    init(_ row: Row) {
        text = row[5]
        tokens = TokenBlob.tokens(row[6])
        source = ChunkSource(document: row[7], ordinal: row[1], section: row[4], bytes: row[2]..<row[3])
    }

    /// The rows that ``init(_:)`` takes; the document's number comes first.
    static func query(where condition: String) -> String {
        """
        SELECT chunks.document, chunks.ordinal, chunks.start, chunks.end, chunks.section, chunks.text, chunks.tokens,
            documents.path
        FROM chunks JOIN documents ON documents.id = chunks.document
        WHERE \(condition)
        """
    }
}
