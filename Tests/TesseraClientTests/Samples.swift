// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraAPI

/// Values that servers answer with.
enum Samples {
    static let question = ChatRequest(messages: [.init(role: "user", content: "Who?")], documents: [.text("Ann.")])
    static let chat = ChatResponse(
        id: "chatcmpl-1", created: 1, model: "m",
        choices: [.init(message: .init(role: "assistant", content: "Ann"), finishReason: "stop")],
        usage: .init(promptTokens: 7, completionTokens: 1, cachedTokens: 2),
        tessera: .init(assembly: "stitched", provenance: "composed"))
    static let completion = CompletionResponse(
        id: "cmpl-1", created: 1, model: "m", choices: [.init(text: " Ann", finishReason: "stop")])
    static let model = ModelInfo(
        id: "m", created: 1,
        tessera: .init(
            architecture: "llama", contextLength: 2048, vocabulary: 100, layers: 2, kvHeads: 1, headDimension: 8,
            precision: "fp32", fingerprint: "f", tokenizer: "t", recipe: [1], ropePairing: "halves", gate: nil))
    static let plan = Plan(
        assembly: "exact", selector: nil, ratio: nil, reason: "asked for", promptTokens: 3, prefixTokens: 0, chunks: [],
        selection: .init(kind: "settled", positions: [], measure: nil, stages: [], budget: nil))
    static let lease = Lease(id: "l1", path: "/dev/shm/l1", bytes: 4096, expires: 2)
    static let entry = ChunkEntry(
        id: "c1", kind: "chunk", fingerprint: "f", tokens: 3, bytes: 96, codec: "fp16", created: 1, lastUsed: 2,
        uses: 1, pinned: false)
    static let detail = ChunkDetail(entry: entry, tokenIds: [1, 2, 3], behind: [], variants: [])
    static let imported = ImportedChunk(id: "c1", tokens: 3, bytes: 96, stored: true)
    static let job = Job(id: "j1", state: .running, created: 1, chunks: 4, chunksDone: 1)
    static let statistics = Statistics(rows: [.init(namespace: "n", kind: "chunk", records: 1, tokens: 3, bytes: 96)])
    static let digest = ContentDigest(digest: "d", records: 1)

    /// An event of a chat.
    static func event(_ text: String) -> ChatEvent {
        ChatEvent(id: "chatcmpl-1", created: 1, model: "m", choices: [.init(delta: .init(content: text))])
    }

    /// A value as servers write it.
    static func json(_ value: some Encodable) throws -> String {
        String(decoding: try APICoding.encoder.encode(value), as: UTF8.self)
    }

    /// A value as an event.
    static func line(_ value: some Encodable) throws -> String {
        "data: \(try json(value))\n\n"
    }
}
