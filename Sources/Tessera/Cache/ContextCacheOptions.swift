// SPDX-License-Identifier: Apache-2.0

public import Logging
public import TesseraEviction
public import TesseraKV
public import TesseraRuntime
internal import TesseraStore

/// The neutral text that each chunk is encoded behind.
///
/// It belongs to the fingerprint: another recipe is another cache. It is not the app's system prompt, because an
/// edit of that would empty the cache.
public enum Recipe: Sendable, Hashable {
    /// Nothing at all: a chunk's own first token becomes its attention sink.
    case none
    /// The model's beginning-of-sequence token, where it has one.
    case beginning
    /// The beginning-of-sequence token and a text.
    case text(String)
    /// The beginning-of-sequence token and so many line feeds: attention that would sink into a chunk's own first tokens
    /// sinks into these, which are dropped. EPIC (Hu et al., ICML 2025), §4, with k = 0 and four of them.
    case dummies(Int)

    /// What is used unless another is asked for.
    ///
    /// `tessera demo --recipe …` on the fixture model, 2026-11-24: behind this token alone, KL to a full prefill is 0.220
    /// with nothing computed anew and 0.017 with 15 % by deviation; behind a neutral sentence 0.228 and 0.015; behind
    /// the app's own system prompt, which an edit would make useless, 0.194 and 0.011. A sentence gains nothing, so the
    /// shortest recipe is the default.
    public static let `default` = Recipe.beginning
}

/// How a ``ContextCache`` is set up.
public struct ContextCacheOptions: Sendable {
    /// The precision that the engine computes in.
    public var precision: CPUEngine.Options.Precision
    /// The number of threads that compute; nil for one per core.
    public var threads: Int?
    /// The tenant scope of all chunks; nothing is shared across namespaces.
    public var namespace: String
    /// What chunks are encoded behind.
    public var recipe: Recipe
    /// The most bytes that the store may take on disk; nil keeps what the store remembers.
    public var diskCap: Int?
    /// The most bytes of memory that the store takes: for records that it keeps at hand, for reading and for writing. The
    /// model and requests come on top.
    public var ramCap: Int
    /// How the KV of new records is written. Records of any codec are read.
    public var storeCodec: StoreCodec
    /// A file of 32 random bytes, or their hexadecimal digits, that the store is encrypted with; nil for one that isn't.
    public var encryptKeyFile: String?
    /// Whether a text index may lie beside an encrypted store, in the clear.
    public var allowsPlainIndex: Bool
    /// Who stays when the store is full, and what of the chunks that requests had to compute is worth keeping: a policy of
    /// Tessera or one of your own.
    public var evictionPolicy: PolicyKind
    /// Seconds after which a record that isn't pinned is no longer there; nil for ever.
    public var timeToLive: Double?
    /// The most bytes that the records of a namespace may take, by its name. One at its quota makes room among its own.
    public var quotas: [String: Int]
    /// The requests for a chunk after which what they computed is kept. What ``ContextCache/warm(_:)`` and
    /// ``ContextCache/ingest(chunks:progress:)`` are given is kept at once.
    public var admissionUses: Int
    /// How chunks that were encoded alone may be written anew when room is needed, rather than given up; nil for not at all.
    public var coldTier: ColdTier?
    /// A file in which requests for chunks are written down, by their keys and without any text, for `tessera simulate`; one
    /// that exists is gone on with. Nil for none.
    public var traceFile: String?
    /// The most bytes that the KV of chunks may take: those that are worth least leave (``VariantPriority`` of
    /// Cache-Craft); nil for no limit but the store's.
    public var chunkBudget: Int?
    /// How many contextual variants of a chunk requests may keep, captured behind the chunks that stood before it; 0 keeps
    /// chunks that were encoded alone. Variants never leave the namespace: what stood before a chunk colours its KV.
    public var contextualVariants: Int
    /// In how many of its contexts a chunk's attention is seen for ``StoredScore``, once the answer is out, where requests
    /// go by it. Each costs a prefill of the chunk.
    public var scorePasses: Int
    /// How many requests are worked on at once, and in which order.
    public var scheduling: SchedulingOptions
    /// Whether the model's weights are digested anew, though the file looks the same as before.
    public var verifiesModel: Bool
    /// The prompt template in the place of the model's own; nil for the model's own.
    public var template: String?
    /// Where notices go; they hold no prompt text.
    public var logger: Logger

    /// Makes options; each has a default.
    public init(
        precision: CPUEngine.Options.Precision = .automatic, threads: Int? = nil, namespace: String = "default",
        recipe: Recipe = .default, diskCap: Int? = nil, ramCap: Int = 256 << 20,
        storeCodec: StoreCodec = .fp16, encryptKeyFile: String? = nil, allowsPlainIndex: Bool = false,
        evictionPolicy: PolicyKind = .value, timeToLive: Double? = nil, quotas: [String: Int] = [:],
        admissionUses: Int = 1, coldTier: ColdTier? = nil, traceFile: String? = nil,
        chunkBudget: Int? = nil, contextualVariants: Int = 0, scorePasses: Int = 4,
        scheduling: SchedulingOptions = .init(), verifiesModel: Bool = false, template: String? = nil,
        logger: Logger = Logger(label: "tessera")
    ) {
        self.precision = precision
        self.threads = threads
        self.namespace = namespace
        self.recipe = recipe
        self.diskCap = diskCap
        self.ramCap = ramCap
        self.storeCodec = storeCodec
        self.encryptKeyFile = encryptKeyFile
        self.allowsPlainIndex = allowsPlainIndex
        self.evictionPolicy = evictionPolicy
        self.timeToLive = timeToLive
        self.quotas = quotas
        self.admissionUses = admissionUses
        self.coldTier = coldTier
        self.traceFile = traceFile
        self.chunkBudget = chunkBudget
        self.contextualVariants = contextualVariants
        self.scorePasses = scorePasses
        self.scheduling = scheduling
        self.verifiesModel = verifiesModel
        self.template = template
        self.logger = logger
    }

    /// What of it the store wants to know.
    func store() throws(TesseraError) -> StoreOptions {
        let key = try encryptKeyFile.map { (path) throws(TesseraError) in try EncryptionKey(file: path) }
        let demotion = try coldTier.map { (tier) throws(TesseraError) in try tier.form() }
        let eviction = EvictionOptions(
            policy: evictionPolicy, timeToLive: timeToLive, quotas: quotas, admissionUses: admissionUses,
            demotion: demotion, codec: storeCodec)
        return StoreOptions(diskCap: diskCap, ramCap: ramCap, encryptionKey: key, eviction: eviction)
    }
}
