// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ContextCache {
    /// Encodes a prompt's contexts and holds them in memory, as if the store had them; the store is left alone. For benches
    /// that ask thousands of questions, each with chunks of its own.
    ///
    /// - Parameters:
    ///   - prompt: The prompt; what was held before is let go.
    ///   - neighbours: For each context that is not empty, the runs of chunks that it is encoded behind, beside alone;
    ///     fewer entries, or empty ones, for alone only.
    package func hold(_ prompt: Prompt, neighbours: [[[[TokenID]]]] = []) throws(TesseraError) {
        heldChunks.removeAll(keepingCapacity: true)
        let tokens = promptTokens(prompt)
        for (place, slots) in tokens.contexts.enumerated() {
            let ids = Array(tokens.ids[slots])
            let own = key(of: ids)
            guard heldChunks[own] == nil else { continue }
            var held = [try chunkEncoder.encode(ids)]
            for run in place < neighbours.count ? neighbours[place] : [] {
                let before = run.filter { !$0.isEmpty }
                guard !before.isEmpty, before.reduce(ids.count, { $0 + $1.count }) <= chunkEncoder.room else {
                    continue
                }
                var chunk = try chunkEncoder.encode(ids, behind: before)
                chunk.behind = before.map { key(of: $0) }
                held.append(chunk)
            }
            heldChunks[own] = held
        }
    }

    /// Lets go of what is held in memory.
    package func letGo() {
        heldChunks.removeAll()
    }
}
