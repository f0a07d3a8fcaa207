// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// A KV of a chunk that was captured behind other chunks, with what was seen of its attention there.
struct KnownVariant: Sendable {
    /// Where its bytes are.
    let place: FoundContext.Candidate.Place
    let key: ChunkKey
    /// The chunks that it was captured behind.
    let behind: [ChunkKey]
    /// What was seen; nil where there is nothing that can be read.
    let statistics: ChunkStatistics?

    init(_ stored: StoredVariant, tokens: Int) {
        (place, key, behind) = (.contextual(stored), stored.key, stored.behind)
        let read = ChunkStatistics(stored.statistics)
        statistics = read.flatMap { $0.inter.count == stored.behind.count && $0.scores.count == tokens ? $0 : nil }
    }

    init(held chunk: EncodedChunk, key: ChunkKey) {
        (place, self.key, behind, statistics) = (.held(chunk), key, chunk.behind, chunk.statistics)
    }

    /// How well it fits behind these chunks; where nothing was seen, all of its old neighbours weigh the same.
    func fit(behind new: PrefixPlaces<ChunkKey>) -> VariantFit {
        let inter = statistics?.inter ?? behind.map { _ in 1 }
        return VariantFit(
            old: zip(behind, inter).map { PrefixNeighbour(id: $0, inter: $1) }, impact: statistics?.impact ?? 1,
            new: new)
    }

    /// One score for each token; nil where nothing was seen.
    func scores(_ score: StoredScore.Score) -> [Float]? {
        score == .mean ? statistics?.scores : statistics?.peaks
    }
}

/// What the variants of a chunk tell of its tokens together, for a KV that was encoded alone and has no scores of its own:
/// a token may be bound by one neighbour and left alone by another, so the highest score counts.
///
/// - Parameter note: What was seen of the chunk beside its variants.
/// - Returns: The scores and the mean impact; nil where nothing was seen.
func pooledScores(
    of variants: [KnownVariant], note: ScoreNote?, _ score: StoredScore.Score
) -> (scores: [Float], impact: Double)? {
    let seen = variants.compactMap(\.statistics) + (note.map { [$0.statistics] } ?? [])
    guard let first = seen.first else { return nil }
    let all = seen.dropFirst().reduce(first) { $0.pooled(with: $1) }
    return (score == .mean ? all.scores : all.peaks, all.impact)
}
