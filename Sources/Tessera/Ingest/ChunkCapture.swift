// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// Encodes the fresh keys and values of some rows, layer by layer, and takes down what they attend to.
final class ChunkCapture: LayerObserver {
    private let layout: KVLayout
    private let codec: any KVCodec
    private let captured: Range<Int>
    private let segments: [Range<Int>]
    /// Nil where the codec makes nothing of it.
    private let saliency: ProbedSaliency?
    private var records: [[UInt8]] = []
    private var tally: AttentionTally?

    private init(layout: KVLayout, codec: any KVCodec, captured: Range<Int>, behind segments: [Range<Int>]) {
        self.layout = layout
        self.codec = codec
        self.captured = captured
        self.segments = segments
        saliency = codec.usesSaliency ? ProbedSaliency(of: captured) : nil
        if !segments.isEmpty {
            tally = AttentionTally(
                neighbourTokens: segments.map(\.count), tokens: captured.count, layers: layout.layers)
        }
    }

    /// Computes tokens over a buffer and captures the last of them.
    ///
    /// - Parameters:
    ///   - tokens: The tokens to compute.
    ///   - slot: The slot of the first of them.
    ///   - captured: The slots whose KV is wanted, the last ones of `tokens`.
    ///   - segments: The slots of the chunks that stand before them; their attention is taken down for these.
    ///   - buffer: Holds whatever lies in front of `slot`.
    static func run(
        _ runtime: any ModelRuntime, _ codec: any KVCodec, tokens: [TokenID], from slot: Int,
        capturing captured: Range<Int>,
        behind segments: [Range<Int>], over buffer: KVBuffer
    ) throws(TesseraError) -> EncodedChunk {
        let capture = ChunkCapture(
            layout: runtime.model.layout, codec: codec, captured: captured, behind: segments)
        let output = try runtime.prefill(
            PartialPrefill(
                input: .tokens(tokens), slots: Array(slot..<captured.upperBound), keyCount: captured.upperBound,
                logits: .none),
            over: buffer, observer: capture)
        return EncodedChunk(
            tokens: Array(tokens.suffix(captured.count)), layers: capture.records, codec: codec,
            statistics: capture.tally?.statistics, waited: output.waited)
    }

    /// All chunks before it.
    private var before: Range<Int> {
        (segments.first?.lowerBound ?? 0)..<(segments.last?.upperBound ?? 0)
    }

    func needs(of layer: Int) -> LayerNeeds {
        var needs = LayerNeeds(keysAndValues: true, attentionAtSelection: saliency?.slots ?? [])
        if !segments.isEmpty {
            // Each chunk before it, itself, and all chunks before it together.
            needs.masses = AttentionMassNeeds(rows: Array(captured), segments: segments + [captured, before])
        }
        return needs
    }

    func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]? {
        let numbers = captured.count * layout.width
        records.append(
            try codec.encode(
                layer: projection.layer, keys: Array(projection.keys.suffix(numbers)),
                values: Array(projection.values.suffix(numbers)), layout: layout,
                saliency: saliency?.saliency(projection.attention)))
        guard projection.layer == layout.layers - 1 else { return nil }
        // Behind the last layer's keys and values only its attention may be wanted.
        return segments.isEmpty ? [] : Array(captured)
    }

    func layerWeighed(_ masses: LayerMasses) throws(TesseraError) {
        let width = segments.count + 2
        let rows = stride(from: 0, to: masses.masses.count, by: width)
        tally?.add(
            rows.flatMap { masses.masses[$0..<$0 + width - 1] }, outermost: rows.map { masses.peaks[$0 + width - 1] })
    }
}
