// SPDX-License-Identifier: Apache-2.0

/// What a warm-up would do: known before anything is computed.
public struct WarmPlan: Sendable, Codable, Equatable {
    /// Documents whose chunks are wanted.
    public var documents = 0
    /// Chunks of these, each counted once though it may stand in several documents.
    public var chunks = 0
    /// Tokens of these chunks.
    public var tokens = 0
    /// Bytes that their KV takes.
    public var bytes = 0
    /// Chunks that the store lacks.
    public var missingChunks = 0
    /// Tokens of those.
    public var missingTokens = 0
    /// Bytes that their KV will take.
    public var missingBytes = 0
    /// Bytes that the store may still take, under its cap and above what is left free on its disk.
    public var roomBytes = 0

    /// Whether all that is missing fits.
    public var fits: Bool { missingBytes <= roomBytes }
}
