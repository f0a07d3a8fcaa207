// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Which chunks are being computed, so that nobody computes the same one beside it.
extension ContextCache {
    /// Runs work that computes and that no request waits for, in a turn of its own.
    func compute<R: Sendable>(
        _ body: @Sendable () throws(TesseraError) -> R
    ) async throws(TesseraError) -> R {
        let turn = try await scheduler.admit(.background)
        defer { turn.end() }
        return try await turn.compute(body)
    }

    /// Whether somebody is computing a chunk.
    func isClaimed(_ key: ChunkKey) -> Bool { claims[key] != nil }

    /// Says that a chunk is being computed.
    func claim(_ key: ChunkKey) {
        claims[key] = []
    }

    /// Says that chunks are in the store, or will not come.
    func release(_ keys: Set<ChunkKey>) {
        for key in keys {
            for waiter in claims.removeValue(forKey: key) ?? [] { waiter.resume() }
        }
    }

    /// Waits until a chunk that somebody computes is there, or will not come.
    func waitUntilReleased(_ key: ChunkKey) async {
        while claims[key] != nil {
            await withCheckedContinuation { claims[key, default: []].append($0) }
        }
    }
}
