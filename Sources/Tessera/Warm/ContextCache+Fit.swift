// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import TesseraKV
internal import TesseraRetrieval
internal import TesseraStore

extension ContextCache {
    /// Warms as many missing chunks as fit `room` bytes: those that `questions` retrieve most often first.
    ///
    /// - Throws: ``TesseraError`` of code `full` where not even one fits and none is there yet.
    func warmWhatFits(
        _ index: DocumentIndex, under paths: [String]?, room: Int, questions: [String],
        progress: ((IngestProgress) -> Void)?
    ) async throws(TesseraError) -> IngestProgress {
        let uses = try await uses(of: index, under: paths, by: questions)
        var candidates: [FitCandidate] = []
        var seen: Set<ChunkKey> = []
        try await forEachPage(of: index, under: paths) { page throws(TesseraError) in
            let fresh = page.map { (key: key(of: $0.tokens), tokens: $0.tokens.count) }
                .filter { seen.insert($0.key).inserted }
            for (chunk, isThere) in zip(fresh, try store.contains(fresh.map(\.key))) where !isThere {
                candidates.append(
                    FitCandidate(key: chunk.key, bytes: recordBytes(tokens: chunk.tokens), uses: uses[chunk.key] ?? 0))
            }
        }
        let taken = chunksThatFit(candidates, room: room)
        if taken.isEmpty, let smallest = candidates.map(\.bytes).min() {
            let reason =
                "not one of the \(candidates.count) missing chunks fits: the smallest takes \(smallest) bytes and there is "
                + "room for \(room); raise --disk-cap, free some disk, or release chunks with --prune"
            // Where others are there already, a store that is full is as it should be.
            guard seen.count > candidates.count else { throw TesseraError(.full, reason) }
            log.notice("\(reason)")
        }
        var total = IngestProgress()
        try await forEachPage(of: index, under: paths) { page throws(TesseraError) in
            let before = total
            let wanted = page.map(\.tokens).filter { taken.contains(key(of: $0)) }
            total = before + (try await warm(wanted) { progress?(before + $0) })
        }
        return total
    }

    /// How often each chunk is retrieved by a log of questions.
    private func uses(
        of index: DocumentIndex, under paths: [String]?, by questions: [String]
    ) async throws(TesseraError) -> [ChunkKey: Int] {
        var uses: [ChunkKey: Int] = [:]
        for question in questions {
            for hit in try await index.retrieve(question, limit: AskOptions().limit, neighbours: 0, under: paths) {
                uses[key(of: tokenizer.encode(hit.text, special: false)), default: 0] += 1
            }
        }
        return uses
    }
}

/// A chunk that would be kept if there were room.
struct FitCandidate: Equatable {
    var key: ChunkKey
    var bytes: Int
    var uses: Int
}

/// Which of the candidates to keep: the most used first, those of equal use in their given order; one that no longer
/// fits is passed over for smaller ones behind it.
func chunksThatFit(_ candidates: [FitCandidate], room: Int) -> Set<ChunkKey> {
    var left = room
    var taken: Set<ChunkKey> = []
    let order = candidates.indices.sorted { a, b in
        let (x, y) = (candidates[a].uses, candidates[b].uses)
        return x == y ? a < b : x > y
    }
    for index in order where candidates[index].bytes <= left {
        left -= candidates[index].bytes
        taken.insert(candidates[index].key)
    }
    return taken
}
