// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization
internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// The KV of a run of tokens, layer by layer, as a codec made it.
protocol LayerSource: Sendable {
    /// The key of the record that it comes from; nil for what is only in memory.
    var key: ChunkKey? { get }
    /// The number of tokens that there are rows of.
    var tokenCount: Int { get }
    /// The size of all layers.
    var byteCount: Int { get }
    /// Puts one layer into a request's buffer.
    func place(
        _ layer: Int, into buffer: KVBuffer, at slot: Int, angles: RotaryAngles
    ) throws(TesseraError)
}

/// A run of tokens whose KV is at hand, and where it goes in a request's buffer.
struct StoredRun: Sendable {
    /// The records of all layers.
    var source: any LayerSource
    /// The slot of its first token.
    var slot: Int
    /// The position of each of its tokens. Kept here, because the buffer's own may be added to while runs are placed.
    var positions: [Int32]
    /// The first layer that is needed.
    var firstLayer: Int
}

/// A record of the store, its layers read as they are placed.
struct StoredSource: LayerSource {
    let chunk: StreamedChunk
    let codec: any KVCodec

    var key: ChunkKey? { chunk.chunk.key }
    var tokenCount: Int { chunk.chunk.rows }
    var byteCount: Int { chunk.chunk.byteCount }

    func place(_ layer: Int, into buffer: KVBuffer, at slot: Int, angles: RotaryAngles) throws(TesseraError) {
        try chunk.withLayer(layer) { (record) throws(TesseraError) in
            try codec.place(record, tokens: tokenCount, into: buffer, layer: layer, at: slot, angles: angles)
        }
    }
}

/// Places stored runs in a request's buffer, layers ahead of the one that is computed.
final class LayerStreamer: Sendable {
    private struct State {
        var requested = 0
        var failure: TesseraError?
        var lost: Set<ChunkKey> = []
        var busy = Duration.zero
        /// The rotation of each run's tokens where they stand now; worked out with the first layer, beside everything else.
        var angles: [RotaryAngles] = []
    }

    private let runs: [StoredRun]
    private let buffer: KVBuffer
    private let rotary: RotaryTable
    private let placed: [DispatchSemaphore]
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "tessera.placement")

    /// How many layers ahead of the computation are asked for (``TesseraReuse/preloadDepth(layers:load:compute:)``).
    let depth: Int

    init(runs: [StoredRun], buffer: KVBuffer, rotary: RotaryTable, depth: Int = 1) {
        self.depth = depth
        self.rotary = rotary
        self.runs = runs
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
        // A prompt may be run twice over the same layers.
        placed[layer].signal()
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// Returns when nothing is being placed any more: a process that ends meanwhile would pull the files from under it.
    func drain() {
        queue.sync {}
    }

    /// Records that turned out to be damaged, or couldn't be read, while they were placed.
    var lost: Set<ChunkKey> { state.withLock { $0.lost } }

    /// How long reading and placing took, all layers together.
    var seconds: Double { state.withLock { $0.busy.seconds } }

    /// What there is to place.
    var work: LoadWork {
        LoadWork(records: runs.count, bytes: runs.reduce(0) { $0 + $1.source.byteCount })
    }

    private func place(_ layer: Int) {
        let start = ContinuousClock.now
        defer {
            state.withLock { $0.busy += ContinuousClock.now - start }
            placed[layer].signal()
        }
        for (run, angles) in zip(runs, angles()) where run.firstLayer <= layer {
            do throws(TesseraError) {
                try run.source.place(layer, into: buffer, at: run.slot, angles: angles)
            } catch {
                state.withLock { state in
                    state.failure = error
                    if let key = run.source.key { state.lost.insert(key) }
                }
            }
        }
    }

    private func angles() -> [RotaryAngles] {
        let known = state.withLock { $0.angles }
        guard known.isEmpty else { return known }
        let fresh = runs.map { rotary.angles(at: $0.positions) }
        state.withLock { $0.angles = fresh }
        return fresh
    }
}
