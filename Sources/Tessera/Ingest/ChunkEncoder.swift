// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraStore

/// Computes the KV of runs of tokens behind a fixed prefix, and gives it out as layer records.
///
/// With the recipe as prefix it encodes chunks; with none it encodes a prompt's leading run.
final class ChunkEncoder {
    private let kind: RecordKind
    private let runtime: any ModelRuntime
    private let codec: any KVCodec
    private let prefix: [TokenID]
    private var buffer: KVBuffer?

    init(kind: RecordKind, runtime: any ModelRuntime, codec: any KVCodec, prefix: [TokenID]) {
        self.kind = kind
        self.runtime = runtime
        self.codec = codec
        self.prefix = prefix
    }

    /// One record per layer, keys before RoPE.
    ///
    /// - Parameter tokens: The run, at least one token; with the prefix it must fit the model's context.
    func encode(_ tokens: [TokenID]) throws(TesseraError) -> [[UInt8]] {
        let total = prefix.count + tokens.count
        guard total <= runtime.model.contextLength else {
            throw TesseraError(.tooLong, tooLong(tokens.count))
        }
        let buffer = try prepared(capacity: total)
        let capture = CaptureObserver(layout: runtime.model.layout, codec: codec)
        _ = try runtime.prefill(
            PartialPrefill(
                input: .tokens(tokens), slots: Array(prefix.count..<total), keyCount: total, logits: .none),
            over: buffer, observer: capture)
        return capture.records
    }

    private func tooLong(_ count: Int) -> String {
        let limit = "exceeds the model's context of \(runtime.model.contextLength)"
        return switch kind {
        case .chunk:
            "a chunk of \(count) tokens behind a prefix of \(prefix.count) \(limit); use a smaller --chunk-tokens"
        case .prefix: "the prompt's beginning of \(count) tokens \(limit); use a shorter system prompt"
        }
    }

    /// A buffer that holds the prefix's KV; the same one as long as it is large enough.
    private func prepared(capacity: Int) throws(TesseraError) -> KVBuffer {
        if let buffer, buffer.capacity >= capacity { return buffer }
        let fresh = try KVBuffer(layout: runtime.model.layout, capacity: max(capacity, 2 * (buffer?.capacity ?? 0)))
        if !prefix.isEmpty {
            _ = try runtime.prefill(
                PartialPrefill(
                    input: .tokens(prefix), slots: Array(prefix.indices), keyCount: prefix.count, logits: .none),
                over: fresh, observer: nil)
        }
        buffer = fresh
        return fresh
    }
}

/// Encodes the fresh keys and values of all rows, layer by layer.
private final class CaptureObserver: LayerObserver {
    private let layout: KVLayout
    private let codec: any KVCodec
    private(set) var records: [[UInt8]] = []

    init(layout: KVLayout, codec: any KVCodec) {
        self.layout = layout
        self.codec = codec
    }

    func needs(of layer: Int) -> LayerNeeds {
        LayerNeeds(keysAndValues: true)
    }

    func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]? {
        records.append(try codec.encode(keys: projection.keys, values: projection.values, layout: layout))
        // Nothing behind the last layer's keys and values is wanted, so no row needs to go on.
        return projection.layer == layout.layers - 1 ? [] : nil
    }
}
