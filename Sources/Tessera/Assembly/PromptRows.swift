// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// What is left of a prompt when some of its stored chunks lack tokens: the slots that there are, and where they stand.
///
/// A slot of a token that is left out does not exist; the others close up and keep their positions, so that a chunk with
/// gaps is as far from its neighbours as a whole one. Ranges in the prompt as it was asked are turned into slots here.
struct PromptRows: Sendable {
    /// The positions of the slots.
    let positions: [Int32]
    /// The tokens of the prompt that have a slot, ascending; nil for all.
    private let tokens: [Int]?
    /// For each token, and for the end, how many slots lie before it; empty where all tokens have one.
    private let before: [Int]

    /// - Parameters:
    ///   - positions: That of each token of the prompt.
    ///   - chunks: Where stored chunks stand, and which of their tokens they have; nil for all.
    init(positions: [Int32], chunks: [(slots: Range<Int>, kept: [Int]?)]) {
        let thinned = chunks.compactMap { chunk in chunk.kept.map { (slots: chunk.slots, kept: $0) } }
        guard !thinned.isEmpty else {
            (self.positions, tokens, before) = (positions, nil, [])
            return
        }
        var isThere = [Bool](repeating: true, count: positions.count)
        for chunk in thinned {
            for token in chunk.slots { isThere[token] = false }
            for token in chunk.kept { isThere[chunk.slots.lowerBound + token] = true }
        }
        let left = positions.indices.filter { isThere[$0] }
        var before = [0]
        for token in isThere { before.append(before[before.count - 1] + (token ? 1 : 0)) }
        (self.positions, tokens, self.before) = (left.map { positions[$0] }, left, before)
    }

    /// The number of slots.
    var count: Int { positions.count }

    /// Whether tokens are left out.
    var hasHoles: Bool { tokens != nil }

    /// How many tokens are left out.
    var evicted: Int { tokens == nil ? 0 : before.count - 1 - count }

    /// The slot of a token, or of the next one that has one.
    func slot(_ token: Int) -> Int { hasHoles ? before[token] : token }

    /// The slots of a run of tokens, as far as they have some.
    func slots(_ run: Range<Int>) -> Range<Int> { slot(run.lowerBound)..<slot(run.upperBound) }

    /// What stands in the slots of something that there is one of for each token.
    func values<Value>(_ all: [Value]) -> [Value] { tokens.map { $0.map { all[$0] } } ?? all }

    /// A chunk that is reused, as far as it is there.
    ///
    /// - Parameter kept: The tokens that it has; nil for all.
    func reused(_ chunk: ReusedChunk, kept: [Int]?) -> ReusedChunk {
        let scores = chunk.scores.map { scores in kept.map { $0.map { scores[$0] } } ?? scores }
        return ReusedChunk(
            slots: slots(chunk.slots), scores: scores, overlap: chunk.overlap, overhead: chunk.overhead)
    }
}
