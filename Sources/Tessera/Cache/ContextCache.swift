// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import Synchronization
public import TesseraKV
internal import TesseraRuntime
internal import TesseraStore

/// A model with a store of its chunks' keys and values: answers prompts from what is stored, and fills the store.
///
/// ```swift
/// let cache = try ContextCache(model: "model.gguf", store: "cache")
/// let answer = try await cache.answer(Prompt(contexts: chunks, question: "Who wrote it?"))
/// print(answer.text, answer.report.timeToFirstToken)
/// ```
///
/// Several requests may be under way: prompts are computed one at a time, answers are written together. All work blocks
/// threads that belong to the cache, none of Swift's cooperative pool.
public actor ContextCache {
    /// What there is to know of the model.
    public nonisolated let model: ModelDescription
    /// Everything that changes a chunk's KV in this cache.
    public nonisolated let fingerprint: Fingerprint
    /// The model's tokenizer.
    public nonisolated let tokenizer: any Tokenizer
    /// The tenant scope of all chunks of this cache.
    public nonisolated let namespace: String

    /// The runtime that computed the KV that is kept here, where that is another one; nil for ``runtime``.
    nonisolated let producer: String?
    package nonisolated let runtime: any ModelRuntime
    let store: ChunkStore
    /// Shares the runtime out among requests.
    package nonisolated let scheduler: RequestScheduler
    let layouts: PromptLayouts
    /// What new records are made with.
    let codec: any KVCodec
    let fingerprintDigest: Digest256
    let log: Logger
    /// Encodes chunks; it keeps the KV of the recipe's prefix between them.
    let chunkEncoder: ChunkEncoder
    /// The variants of chunks that were looked up before.
    var knownVariants: [ChunkKey: [KnownVariant]] = [:]
    /// Chunks that are being computed, with those who wait for them.
    var claims: [ChunkKey: [CheckedContinuation<Void, Never>]] = [:]
    /// Chunks that are held in memory for a bench.
    var heldChunks: [ChunkKey: [EncodedChunk]] = [:]
    /// What stored chunks are worth.
    var shelf: VariantShelf
    /// The most bytes that chunks may take; nil for no limit but the store's.
    let chunkBudget: Int?
    /// Writes down what requests ask for; nil where nobody wants to know.
    let recorder: TraceRecorder?
    /// The most contextual variants that requests keep of a chunk.
    let contextualVariants: Int
    /// What is known of chunks' attention beside their variants, as far as it was looked up.
    var scoreNotes: [ChunkKey: ScoreNote?] = [:]
    /// In how many contexts a chunk's attention is seen.
    let scorePasses: Int
    /// What work costs here.
    nonisolated let rates: Mutex<LearnedRates>
    /// What the model's quality gate has passed; nil where there is none, or before it was looked for.
    var gate: GateRecord??
    /// Whether it has been said that answers are exact for want of a gate.
    var hasSaidUngated = false
    nonisolated let options: ContextCacheOptions
    private let executor = BlockingExecutor(label: "tessera.cache")

    /// The queue that all of the actor's work runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens a model and a store with the built-in engine.
    ///
    /// - Parameters:
    ///   - path: A GGUF file of the `llama` architecture.
    ///   - store: The store's folder; it is made where there is none.
    ///   - options: Precision, namespace, caps and the like.
    /// - Throws: ``TesseraError``: `unsupported` or `corrupt` for the model, `locked` for a store that another process
    ///   holds, `io` and `full` for the disk.
    public init(model path: String, store: String, options: ContextCacheOptions = .init()) throws(TesseraError) {
        let folder = URL(fileURLWithPath: store)
        let identity = WeightsMemo.identity(of: path)
        let memo = WeightsMemo(folder: folder)
        let known = options.verifiesModel ? nil : memo.digest(of: path)
        func openEngine() throws(TesseraError) -> CPUEngine {
            try CPUEngine(
                model: path, options: .init(precision: options.precision, threads: options.threads, weights: known))
        }
        func openStore() throws(TesseraError) -> ChunkStore {
            try ChunkStore(directory: folder, options: try options.store())
        }
        // A model that can't be run leaves no store behind; where there is one, a process that holds it is worth knowing
        // before a model is loaded.
        let (engine, chunks): (CPUEngine, ChunkStore)
        if FileManager.default.fileExists(atPath: store) {
            chunks = try openStore()
            engine = try openEngine()
        } else {
            engine = try openEngine()
            chunks = try openStore()
        }
        if known == nil { memo.remember(engine.model.weights, of: path, identity: identity) }
        try self.init(runtime: engine, store: chunks, options: options)
        try enter()
    }

    /// Puts a cache over any runtime.
    ///
    /// - Parameters:
    ///   - runtime: What runs the model.
    ///   - store: The store's folder; it is made where there is none.
    ///   - options: Namespace, caps and the like; precision and threads are the runtime's own.
    /// - Throws: ``TesseraError`` as ``init(model:store:options:)``.
    public init(runtime: any ModelRuntime, store: String, options: ContextCacheOptions = .init()) throws(TesseraError) {
        let chunks = try ChunkStore(
            directory: URL(fileURLWithPath: store), options: try options.store())
        try self.init(runtime: runtime, store: chunks, options: options)
        try enter()
    }

    /// Puts a cache beside another one, on the same store and the same model, with an engine of its own: for benches that
    /// ask several questions at once.
    ///
    /// - Parameters:
    ///   - path: The other cache's model.
    ///   - other: The other cache.
    ///   - threads: The threads of the new engine.
    package init(model path: String, beside other: ContextCache, threads: Int) throws(TesseraError) {
        var options = other.options
        options.threads = threads
        let engine = try CPUEngine(
            model: path, options: .init(precision: options.precision, threads: threads, weights: other.model.weights))
        try self.init(runtime: engine, store: other.store, options: options)
    }

    init(
        runtime: any ModelRuntime, store: ChunkStore, options: ContextCacheOptions, scheduler: RequestScheduler? = nil,
        producer: String? = nil
    ) throws(TesseraError) {
        self.producer = producer
        self.runtime = runtime
        self.scheduler = scheduler ?? RequestScheduler(runtime, options: options.scheduling)
        self.store = store
        self.options = options
        codec = options.storeCodec.codec
        log = options.logger
        model = runtime.model
        tokenizer = runtime.tokenizer
        namespace = options.namespace
        let own = Fingerprint(
            architecture: runtime.model.architecture, weights: runtime.model.weights,
            tokenizer: runtime.tokenizer.digest, rotary: runtime.model.rotary, layout: runtime.model.layout,
            precision: runtime.model.precision, recipe: options.recipe.tokens(by: runtime.tokenizer))
        fingerprint = producer.map { own.imported(from: $0) } ?? own
        fingerprintDigest = fingerprint.digest
        chunkEncoder = ChunkEncoder(kind: .chunk, runtime: runtime, codec: codec, prefix: fingerprint.recipe)
        layouts = try PromptLayouts(
            template: options.template, model: runtime.model, tokenizer: runtime.tokenizer, log: options.logger)
        (chunkBudget, contextualVariants) = (options.chunkBudget, options.contextualVariants)
        scorePasses = min(255, options.scorePasses)
        let weighs = options.chunkBudget != nil || options.contextualVariants > 0
        shelf = VariantShelf(
            weighs ? try store.records(fingerprint: fingerprint.digest, namespace: options.namespace) : [])
        rates = Mutex(LearnedRates(fingerprint: fingerprintDigest, threads: options.threads))
        if let path = options.traceFile {
            recorder = try TraceRecorder(path, namespace: options.namespace)
        } else {
            recorder = nil
        }
        store.setCost(ChunkCost(runtime.model).callAsFunction)
    }

    /// Enters the fingerprint into the store, and says what else is there.
    nonisolated func enter() throws(TesseraError) {
        try store.remember(fingerprint)
        for note in store.notes { log.notice("\(note)") }
        let others = try store.mismatches(with: fingerprint).filter { !$0.fields.isEmpty }
        if !others.isEmpty {
            let fields = Set(others.flatMap(\.fields)).sorted().joined(separator: ", ")
            let records = others.reduce(0) { $0 + $1.records }
            log.notice("the store also holds \(records) records with another \(fields); they are not used here")
        }
    }

    /// A prompt's ids, laid out as this model wants it.
    package nonisolated func promptTokens(_ prompt: Prompt) throws(TesseraError) -> PromptTokens {
        var screenshots: [[Float]] = []
        for case .frame(let frame) in prompt.contexts { screenshots.append(try runtime.embeddings(of: frame)) }
        return PromptTokens(
            prompt, layout: try layouts.layout(of: prompt), tokenizer: tokenizer, screenshots: screenshots,
            width: model.width)
    }

    /// The ids that a prompt becomes: laid out by the prompt template, behind the beginning-of-sequence token where the
    /// model wants one.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for earlier turns that the template can't lay out.
    public nonisolated func tokens(of prompt: Prompt) throws(TesseraError) -> [TokenID] {
        try promptTokens(prompt).ids
    }

    /// The bytes that the store's codec makes of one token of a long chunk, uncompressed.
    package nonisolated var bytesPerToken: Int {
        model.layout.layers * codec.byteCount(tokens: 1024, layout: model.layout) / 1024
    }

    /// Closes the store and gives its lock up; later calls throw. Without it, that happens with the last reference.
    public func close() {
        saveRates()
        store.close()
    }
}

extension Recipe {
    /// The tokens that a chunk is encoded behind.
    func tokens(by tokenizer: any Tokenizer) -> [TokenID] {
        let beginning = tokenizer.beginning.map { [$0] } ?? []
        return switch self {
        case .none: []
        case .beginning: beginning
        case .dummies(let count):
            beginning
                + (tokenizer.encode("\n", special: false).last.map { Array(repeating: $0, count: max(0, count)) } ?? [])
        case .text(let text): beginning + tokenizer.encode(text, special: false)
        }
    }
}
