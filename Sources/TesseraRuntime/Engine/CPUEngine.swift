// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import Foundation
public import TesseraKV

/// A model runtime on the processor: models of the `llama` architecture from GGUF files.
///
/// Products run in BF16 through oneDNN with weights packed at load, or in fp32 straight from the file; the rest are
/// kernels of our own in fp32, and in BF16 precision attention multiplies BF16 numbers too. Memory is that of the packed
/// weights (2 bytes per weight in BF16, nothing but the file's own pages in fp32) and scratch that is bounded by a tile
/// of rows, beside the residual stream and one layer's keys and values.
///
/// One thread computes, on a team of threads as wide as ``Options/threads``; calls from elsewhere wait their turn. Steps of
/// answers go first: a prompt stands aside for them between two tiles of its rows. A call that waits inside a cancelled task ends between two layers with ``TesseraError`` of code `cancelled`.
public final class CPUEngine: ModelRuntime {
    /// How to run a model.
    public struct Options: Sendable {
        /// The precision of matrix products and attention.
        public enum Precision: String, Sendable, CaseIterable {
            /// BF16 where the processor has instructions for it, fp32 elsewhere.
            case automatic
            /// BF16 products, summed in fp32.
            case bf16
            /// fp32 throughout: the reference, four to five times slower.
            case fp32
        }

        /// The precision of matrix products and attention.
        public var precision: Precision
        /// The number of threads; nil for one per core.
        public var threads: Int?
        /// The digest of the file's weights, if it is known from before. Without it the whole file is read once more.
        public var weights: Digest256?

        /// Options with their defaults.
        public init(precision: Precision = .automatic, threads: Int? = nil, weights: Digest256? = nil) {
            self.precision = precision
            self.threads = threads
            self.weights = weights
        }
    }

    /// What there is to know of the model.
    public let model: ModelDescription
    /// The model's own tokenizer.
    public let tokenizer: any Tokenizer

    private let thread: EngineThread
    private let llama: LlamaModel
    private let patches: PatchEncoder?

    /// Opens a model file, with the tokenizer that it describes.
    ///
    /// - Parameters:
    ///   - path: A GGUF file of the `llama` architecture with tensors of type F32, F16, BF16 or Q8_0.
    ///   - options: How to run it.
    /// - Throws: ``TesseraError`` of code `notFound` or `io` when the file can't be read, `corrupt` when it contradicts
    ///   itself or lacks something, `unsupported` for anything that this engine doesn't compute, named in the message,
    ///   `invalidInput` for options out of range, and `full` when memory runs out.
    public convenience init(model path: String, options: Options = Options()) throws(TesseraError) {
        let file = try GGUFFile(path: path)
        try self.init(file: file, tokenizer: GGUFTokenizer.make(from: file), options: options)
    }

    /// Opens a model that is given as a file and a tokenizer.
    ///
    /// - Parameter leastSharedSteps: The least work that threads share, for tests: models that are small enough for them
    ///   have nothing that is worth it. Nil for what pays.
    /// - Throws: as ``init(model:options:)``.
    package init(
        file: GGUFFile, tokenizer: any Tokenizer, options: Options = Options(), leastSharedSteps: Int? = nil
    ) throws(TesseraError) {
        let precision = try options.precision.chosen()
        let threads = options.threads ?? ProcessInfo.processInfo.activeProcessorCount
        guard threads > 0 else {
            throw TesseraError(.invalidInput, "\(threads) threads can't compute; ask for at least one")
        }
        let configuration = try LlamaConfiguration(file)
        let rotary = try RotaryTable.llama(file, configuration)
        patches = try PatchEncoder(file, width: configuration.width)
        let thread = EngineThread(name: "tessera-engine")
        llama = try thread.run { _ throws(TesseraError) in
            let team = ThreadTeam(threads: threads, leastSteps: leastSharedSteps ?? ThreadTeam.usualLeastSteps)
            team.adopt()
            return try LlamaModel(file, configuration, rotary: rotary, precision: precision, team: team)
        }
        self.thread = thread
        self.tokenizer = tokenizer
        let weights: Digest256
        if let known = options.weights { weights = known } else { weights = try file.weightsDigest() }
        model = ModelDescription(
            name: try file.stringIfPresent("general.name") ?? "unnamed", architecture: "llama",
            width: configuration.width, queryHeads: configuration.queryHeads, layout: configuration.layout,
            vocabulary: llama.weights.vocabulary, contextLength: configuration.contextLength, rotary: rotary,
            precision: precision.rawValue, chatTemplate: try file.stringIfPresent("tokenizer.chat_template"),
            weights: weights)
    }

    /// The patches of a screenshot; see ``ModelRuntime/embeddings(of:)``.
    public func embeddings(of frame: Frame) throws(TesseraError) -> [Float] {
        guard let patches else { throw .blind(model.name) }
        return try patches.embeddings(of: frame)
    }

    /// Computes the rows of `call`; see ``ModelRuntime/prefill(_:over:observer:)``.
    ///
    /// In the last layer only the rows go on that the call or the observer wants something of: those whose logits are
    /// asked for and those of ``LayerNeeds/attentionOf`` and ``LayerNeeds/masses``. The output's `slots` and
    /// `computedRows` say so.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a call that doesn't fit the model or the buffer, and for
    ///   segments beyond the keys, `unsupported` for a look at the attention over ``PartialPrefill/parallel`` contexts,
    ///   `full` when memory runs out, `cancelled`, or what the observer threw.
    public func prefill(
        _ call: PartialPrefill, over buffer: KVBuffer, observer: (any LayerObserver)? = nil
    ) throws(TesseraError) -> PrefillOutput {
        let llama = llama
        let isUrgent = call.slots.count <= Self.urgentRows
        return try thread.run(isUrgent: isUrgent) { turn throws(TesseraError) in
            var pass = try ForwardPass(
                llama, call, over: buffer, observer: observer,
                scratch: isUrgent ? llama.urgentScratch : llama.scratch, turn: turn)
            return try pass.run()
        }
    }

    /// Calls of no more rows are urgent: a token of an answer, with what is mended beside it.
    private static let urgentRows = 8

    /// Computes the next token of several answers at once, before or in the middle of a prompt that is being computed.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a step that doesn't fit the model or its buffer, `full` when
    ///   memory runs out, or `cancelled`.
    public func decode(_ steps: [DecodeStep]) throws(TesseraError) -> [Float] {
        guard !steps.isEmpty else { return [] }
        let llama = llama
        return try thread.run(isUrgent: true) { _ throws(TesseraError) in
            try DecodePass(llama, steps, scratch: llama.urgentScratch).run()
        }
    }
}

extension CPUEngine.Options.Precision {
    fileprivate func chosen() throws(TesseraError) -> EnginePrecision {
        let native = ck_isa_active() == CK_ISA_AVX512_BF16
        switch self {
        case .automatic: return native ? .bf16 : .fp32
        case .fp32: return .fp32
        case .bf16:
            guard native else {
                throw TesseraError(.unsupported, "this processor has no BF16 instructions; use precision fp32")
            }
            return .bf16
        }
    }
}
