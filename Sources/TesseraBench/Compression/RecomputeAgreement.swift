// SPDX-License-Identifier: Apache-2.0

public import Tessera
internal import TesseraCompression
public import TesseraKV
internal import TesseraReuse

/// Whether selective recompute picks the same tokens of chunks that a codec keeps as of chunks in half precision.
///
/// CacheBlend picks the tokens whose values deviate most from what the prompt makes of them (``Selector/deviation``). A
/// codec's own error is deviation too, and where it is as large as that of the context it decides instead.
public struct RecomputeAgreement: Sendable {
    /// A codec and how well it agrees.
    public struct Result: Sendable, Codable {
        /// The codec.
        public var codec: String
        /// The share of the tokens picked over fp16 that are picked over this codec too, over all prompts.
        public var sameTokens: Double
        /// Prompts that were compared.
        public var prompts: Int
    }

    /// The layer that compares.
    public var layer = Selector.firstCheckLayer
    /// The share of tokens that is picked.
    public var ratio = 0.15

    /// A comparison with the defaults of ``Selector/deviation``.
    public init() {}

    /// Compares codecs with fp16 on a suite's prompts, without their questions.
    public func run(
        _ suite: CompressionSuite, _ codecs: [StoreCodec], on cache: ContextCache
    ) throws(TesseraError) -> [Result] {
        var same = Array(repeating: 0, count: codecs.count)
        var (all, prompts) = (0, 0)
        for item in suite.items {
            let tokens = try cache.promptTokens(item.prompt)
            guard let end = tokens.contexts.last?.upperBound else { continue }
            let whole = try ComputedPrompt(tokens, length: end, needs: .init(), room: 0, on: cache.runtime)
            let chunks = try isolated(tokens, on: cache.runtime)
            let reference = try picked(chunks, HalfCodec(.fp16), whole)
            for (index, codec) in codecs.enumerated() {
                same[index] += try picked(chunks, codec.codec, whole).intersection(reference).count
            }
            all += reference.count
            prompts += 1
        }
        return zip(codecs, same).map {
            Result(codec: $0.rawValue, sameTokens: Double($1) / Double(max(1, all)), prompts: prompts)
        }
    }

    private func isolated(
        _ tokens: PromptTokens, on runtime: any ModelRuntime
    ) throws(TesseraError) -> [IsolatedChunk] {
        var chunks: [IsolatedChunk] = []
        for context in tokens.contexts { chunks.append(try IsolatedChunk(Array(tokens.ids[context]), on: runtime)) }
        return chunks
    }

    /// The tokens of the contexts that deviate most, as slots of the prompt.
    private func picked(
        _ chunks: [IsolatedChunk], _ codec: any KVCodec, _ whole: ComputedPrompt
    ) throws(TesseraError) -> Set<Int> {
        let layout = whole.runtime.model.layout
        var (slots, scores): ([Int], [Float]) = ([], [])
        for (context, chunk) in zip(whole.tokens.contexts, chunks) {
            let record = try codec.encode(
                keys: chunk.keys[layer], values: chunk.values[layer], layout: layout, hints: EncodingHints(layer: layer)
            )
            let buffer = try KVBuffer(layout: layout, capacity: context.count)
            let angles = whole.runtime.model.rotary.angles(at: Array(buffer.positions[..<context.count]))
            try codec.place(record, tokens: context.count, into: buffer, layer: layer, angles: angles)
            slots += context
            scores += deviations(
                fresh: whole.buffer.rows(context, of: layer).values,
                stored: buffer.rows(0..<context.count, of: layer).values, width: layout.width)
        }
        let count = Int((ratio * Double(slots.count)).rounded())
        return Set(indicesOfHighest(count, in: scores).map { slots[$0] })
    }
}
