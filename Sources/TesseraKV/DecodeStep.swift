// SPDX-License-Identifier: Apache-2.0

/// The next token of an answer: one row, over the keys and values of one request.
public struct DecodeStep: Sendable {
    /// The token to compute.
    public var token: TokenID
    /// Its slot; all slots up to it are attended to, as far as their positions are not greater than its own.
    public var slot: Int
    /// The request's keys and values; the slot's position is set.
    public var buffer: KVBuffer
    /// Contexts of the prompt that were encoded side by side; nil for none.
    public var parallel: ParallelContexts?

    /// Makes a step of all its parts.
    public init(token: TokenID, slot: Int, buffer: KVBuffer, parallel: ParallelContexts? = nil) {
        self.token = token
        self.slot = slot
        self.buffer = buffer
        self.parallel = parallel
    }
}
