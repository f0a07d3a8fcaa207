// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Tessera
internal import TesseraAPI
internal import TesseraKV

extension ChunkKey {
    /// The key that a chunk's id stands for.
    init(id: String) throws(APIFailure) {
        guard id.utf8.count == 64, let digest = Digest256(hexadecimal: id) else {
            throw APIFailure(
                .badRequest, "a chunk's id is 64 hexadecimal digits, not \(id.prefix(80))", code: "invalidInput")
        }
        self.init(digest: digest)
    }
}

extension ChunkReference {
    /// The chunk as a part of a prompt.
    func segment(on cache: ContextCache) throws -> Prompt.Segment {
        switch self {
        case .id(let id): .tokens(try cache.tokens(ofChunk: ChunkKey(id: id)))
        case .tokens(let tokens): .tokens(tokens)
        case .text(let text): .text(text)
        }
    }

    /// The chunk's ids.
    func tokens(on cache: ContextCache) async throws -> [TokenID] {
        let tokens: [TokenID]
        switch self {
        case .text(let text): return try await cache.tokens(of: text, special: false)
        case .id(let id): tokens = try cache.tokens(ofChunk: ChunkKey(id: id))
        case .tokens(let given): tokens = given
        }
        try cache.checkVocabulary(tokens)
        return tokens
    }
}

extension Document {
    /// The document as a context of a prompt.
    func segment(on cache: ContextCache) throws -> Prompt.Segment {
        switch self {
        case .text(let text): .text(text)
        case .chunk(let reference): try reference.segment(on: cache)
        }
    }
}

extension PromptSegment {
    /// The segment as the planner wants it.
    func segment(on cache: ContextCache) async throws -> PlanSegment {
        switch self {
        case .tokens(let tokens): .text(tokens)
        case .text(let text): .text(try await cache.tokens(of: text, special: false))
        case .chunk(.id(let id)): .stored(try ChunkKey(id: id))
        case .chunk(let reference): .chunk(try await reference.tokens(on: cache))
        }
    }
}

/// Refuses lists that are too long to be meant.
func checkCount(_ count: Int, _ field: String) throws(APIFailure) {
    guard count <= 10_000 else {
        throw APIFailure(
            .badRequest, "\(field) has \(count) items; 10000 are the most", code: "invalidInput", param: field)
    }
}
