// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization
internal import TesseraKV
internal import TesseraStore

/// A stored run of tokens and where it goes in a request's buffer.
struct StoredRun: Sendable {
    /// The verified records of all layers.
    var chunk: LoadedChunk
    /// The slot of its first token.
    var slot: Int
    /// The rotation of its tokens where they stand now.
    var angles: RotaryAngles
    /// The first layer that is needed.
    var firstLayer: Int
}

extension LoadedChunk {
    /// Puts one layer into a request's buffer.
    fileprivate func place(
        _ layer: Int, into buffer: KVBuffer, at slot: Int, angles: RotaryAngles, codec: any KVCodec
    ) throws(TesseraError) {
        try withLayer(layer) { (record) throws(TesseraError) in
            try codec.place(
                record, tokens: chunk.tokens.count, into: buffer, layer: layer, at: slot, angles: angles)
        }
    }
}

/// Places stored runs in a request's buffer, layer l + 1 while layer l is computed.
final class LayerStreamer: Sendable {
    private struct State {
        var requested = 0
        var failure: TesseraError?
    }

    private let runs: [StoredRun]
    private let codec: any KVCodec
    private let buffer: KVBuffer
    private let placed: [DispatchSemaphore]
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "tessera.placement")

    init(runs: [StoredRun], codec: any KVCodec, buffer: KVBuffer) {
        self.runs = runs
        self.codec = codec
        self.buffer = buffer
        placed = (0..<buffer.layout.layers).map { _ in DispatchSemaphore(value: 0) }
    }

    /// Begins with a layer in the background, in order; a layer that was asked for before is not placed again.
    func request(through layer: Int) {
        guard !runs.isEmpty else { return }
        let layers = state.withLock { state in
            let fresh = state.requested..<max(state.requested, min(layer + 1, placed.count))
            state.requested = fresh.upperBound
            return fresh
        }
        for layer in layers {
            queue.async { self.place(layer) }
        }
    }

    /// Returns when a layer that was asked for is in the buffer.
    func wait(for layer: Int) throws(TesseraError) {
        guard !runs.isEmpty else { return }
        placed[layer].wait()
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private func place(_ layer: Int) {
        defer { placed[layer].signal() }
        for run in runs where run.firstLayer <= layer {
            do throws(TesseraError) {
                try run.chunk.place(layer, into: buffer, at: run.slot, angles: run.angles, codec: codec)
            } catch {
                state.withLock { $0.failure = error }
            }
        }
    }
}
