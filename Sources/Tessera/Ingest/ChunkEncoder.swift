// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// Computes the KV of runs of tokens behind a fixed prefix, and gives it out as layer records.
///
/// With the recipe as prefix it encodes chunks, alone or behind other chunks; with none it encodes a prompt's leading
/// run. It encodes one at a time; calls from elsewhere wait.
final class ChunkEncoder: Sendable {
    private struct State {
        /// Holds the prefix's KV.
        var buffer: KVBuffer?
        /// The neighbours whose KV lies in the buffer behind the prefix.
        var lying: [TokenID] = []
    }

    private let kind: RecordKind
    private let runtime: any ModelRuntime
    private let codec: any KVCodec
    private let prefix: [TokenID]
    private let state = Mutex(State())

    init(kind: RecordKind, runtime: any ModelRuntime, codec: any KVCodec, prefix: [TokenID]) {
        self.kind = kind
        self.runtime = runtime
        self.codec = codec
        self.prefix = prefix
    }

    /// The tokens that fit the model's context behind the prefix.
    var room: Int { runtime.model.contextLength - prefix.count }

    /// Encodes a run.
    ///
    /// - Parameters:
    ///   - tokens: The run, at least one token; with the prefix and the neighbours it must fit the model's context.
    ///   - neighbours: Chunks between the prefix and the run; with them, its attention is taken down.
    func encode(_ tokens: [TokenID], behind neighbours: [[TokenID]] = []) throws(TesseraError) -> EncodedChunk {
        let before = neighbours.flatMap { $0 }
        let start = prefix.count + before.count
        let total = start + tokens.count
        guard total <= runtime.model.contextLength else { throw tooLong(tokens.count, start) }
        var segments: [Range<Int>] = []
        for neighbour in neighbours {
            let slot = segments.last?.upperBound ?? prefix.count
            segments.append(slot..<slot + neighbour.count)
        }
        return try state.withLock { (state) throws(TesseraError) in
            try encode(tokens, from: start, behind: before, segments, &state)
        }
    }

    private func encode(
        _ tokens: [TokenID], from start: Int, behind before: [TokenID], _ segments: [Range<Int>], _ state: inout State
    ) throws(TesseraError) -> EncodedChunk {
        let total = start + tokens.count
        let buffer = try prepared(capacity: total, &state)
        // Chunks that are encoded behind the same neighbours one after the other compute those once.
        let isReady = before == state.lying
        state.lying = []
        let chunk = try ChunkCapture.run(
            runtime, codec, tokens: isReady ? tokens : before + tokens, from: isReady ? start : prefix.count,
            capturing: start..<total, behind: segments, over: buffer)
        state.lying = before
        return chunk
    }

    private func tooLong(_ count: Int, _ before: Int) -> TesseraError {
        let limit = "exceeds the model's context of \(runtime.model.contextLength)"
        return switch kind {
        case .chunk:
            TesseraError(
                .tooLong,
                "a chunk of \(count) tokens behind a prefix of \(before) \(limit); cut it into smaller chunks")
        case .prefix:
            TesseraError(
                .tooLong, "the prompt's beginning of \(count) tokens \(limit); use a shorter system prompt")
        }
    }

    /// A buffer that holds the prefix's KV; the same one as long as it is large enough.
    private func prepared(capacity: Int, _ state: inout State) throws(TesseraError) -> KVBuffer {
        if let buffer = state.buffer, buffer.capacity >= capacity { return buffer }
        let fresh = try KVBuffer(
            layout: runtime.model.layout, capacity: max(capacity, 2 * (state.buffer?.capacity ?? 0)))
        if !prefix.isEmpty {
            _ = try runtime.prefill(
                PartialPrefill(
                    input: .tokens(prefix), slots: Array(prefix.indices), keyCount: prefix.count, logits: .none),
                over: fresh, observer: nil)
        }
        (state.buffer, state.lying) = (fresh, [])
        return fresh
    }
}
