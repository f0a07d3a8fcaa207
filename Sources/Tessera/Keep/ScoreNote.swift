// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// What was seen of a chunk's attention in several contexts, kept without any KV: some kilobytes that outlast the chunk's
/// own record, so that a chunk which leaves and comes back is known.
struct ScoreNote: Sendable, Equatable {
    /// In how many contexts it was seen.
    var passes: Int
    /// All of them together.
    var statistics: ChunkStatistics

    /// The note as bytes: the passes (8 bits), then the statistics.
    var encoded: [UInt8] { [UInt8(clamping: passes)] + statistics.encoded }

    init(passes: Int, statistics: ChunkStatistics) {
        (self.passes, self.statistics) = (passes, statistics)
    }

    /// Reads a note; nil for bytes that are none, or one of so many other tokens.
    init?(_ bytes: [UInt8], tokens: Int) {
        guard let passes = bytes.first, let statistics = ChunkStatistics(Array(bytes.dropFirst())),
            statistics.scores.count == tokens
        else { return nil }
        self.init(passes: Int(passes), statistics: statistics)
    }
}

extension ContextCache {
    /// What is known of a chunk's attention beside its variants.
    func scoreNote(of key: ChunkKey, tokens: Int) -> ScoreNote? {
        if let known = scoreNotes[key] { return known }
        let bytes = trusted("a chunk's scores") { () throws(TesseraError) in try store.asset(asset(of: key)) }
        let note = bytes.flatMap { ScoreNote($0, tokens: tokens) }
        if scoreNotes.count >= Self.mostKnownChunks { scoreNotes.removeAll() }
        scoreNotes[key] = .some(note)
        return note
    }

    /// Sees the chunks of a prompt that was answered in the context where they stood, those that were not seen often yet.
    ///
    /// - Returns: How many tokens were computed for it.
    func noteScores(of tokens: PromptTokens, after request: AssembledRequest) async throws(TesseraError) -> Int {
        var computed = 0
        for (place, slots) in tokens.contexts.enumerated() where place > 0 {
            let ids = Array(tokens.ids[slots])
            let own = key(of: ids)
            let known = scoreNote(of: own, tokens: ids.count)
            guard known?.passes ?? 0 < scorePasses else { continue }
            let chunk = try await captured(place, of: tokens, after: request)
            computed += ids.count
            guard let seen = chunk.statistics else { continue }
            let note = ScoreNote(
                passes: (known?.passes ?? 0) + 1, statistics: known.map { $0.statistics.pooled(with: seen) } ?? seen)
            try keep(note, of: own)
        }
        return computed
    }

    /// Sees a chunk behind some runs of other chunks, and adds what was seen to its note.
    ///
    /// - Returns: The bytes of the note; 0 where no run fits the model's context.
    func noteScores(of chunk: [TokenID], behind runs: [[[TokenID]]]) async throws(TesseraError) -> Int {
        let own = key(of: chunk)
        var note = scoreNote(of: own, tokens: chunk.count)
        var isNew = false
        for run in runs {
            guard let before = fitting(run, before: chunk) else { continue }
            let encoder = chunkEncoder
            let encoded = try await compute { () throws(TesseraError) in try encoder.encode(chunk, behind: before) }
            guard let seen = encoded.statistics else { continue }
            note = ScoreNote(passes: (note?.passes ?? 0) + 1, statistics: note?.statistics.pooled(with: seen) ?? seen)
            isNew = true
        }
        guard isNew, let note else { return 0 }
        try keep(note, of: own)
        return note.encoded.count
    }

    private func keep(_ note: ScoreNote, of key: ChunkKey) throws(TesseraError) {
        try store.setAsset(asset(of: key), note.encoded)
        scoreNotes[key] = .some(note)
    }

    /// Lets go of what is known of chunks that are not held any more.
    func forgetScores(keeping held: Set<ChunkKey>) throws(TesseraError) {
        let names = Set(held.map { asset(of: $0) })
        for name in try store.assetNames(under: scoreAssets) where !names.contains(name) {
            try store.setAsset(name, nil)
        }
        scoreNotes.removeAll()
    }

    /// Under what the notes of this model and namespace are kept.
    private var scoreAssets: String {
        var digester = Digester()
        digester.add(fingerprintDigest)
        digester.add(namespace)
        return "scores/\(digester.digest().description.prefix(16))/"
    }

    private func asset(of key: ChunkKey) -> String { scoreAssets + key.description }
}
