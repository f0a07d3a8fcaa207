// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ContextCache {
    /// Encodes a prompt's contexts and holds them in memory, as if the store had them; the store is left alone. For benches
    /// that ask thousands of questions, each with chunks of its own.
    ///
    /// - Parameters:
    ///   - prompt: The prompt; what was held before is let go.
    ///   - neighbours: Runs of chunks that each context is encoded behind, beside alone.
    package func hold(_ prompt: Prompt, neighbours: [[[TokenID]]] = []) throws(TesseraError) {
        heldChunks.removeAll(keepingCapacity: true)
        let tokens = try promptTokens(prompt)
        var contexts: [[TokenID]] = []
        for ids in tokens.contexts.map({ Array(tokens.ids[$0]) }) where heldChunks[key(of: ids)] == nil {
            heldChunks[key(of: ids)] = [try chunkEncoder.encode(ids)]
            contexts.append(ids)
        }
        for run in neighbours {
            for ids in contexts {
                guard let before = fitting(run, before: ids) else { continue }
                var chunk = try chunkEncoder.encode(ids, behind: before)
                chunk.behind = before.map { key(of: $0) }
                heldChunks[key(of: ids), default: []].append(chunk)
            }
        }
    }

    /// Lets go of what is held in memory.
    package func letGo() {
        heldChunks.removeAll()
    }
}
