// SPDX-License-Identifier: Apache-2.0

package import TesseraRetrieval

/// Hits in the order in which a reader would meet them: the best document first, and within a document from front to
/// back, because a chunk may refer to the one before it.
package func readingOrder(_ hits: [RetrievedChunk]) -> [RetrievedChunk] {
    var rank: [String: Int] = [:]
    for hit in hits where rank[hit.source.document] == nil {
        rank[hit.source.document] = rank.count
    }
    return hits.sorted { a, b in
        let (x, y) = (rank[a.source.document] ?? 0, rank[b.source.document] ?? 0)
        return x == y ? a.source.ordinal < b.source.ordinal : x < y
    }
}
