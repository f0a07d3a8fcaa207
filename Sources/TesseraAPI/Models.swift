// SPDX-License-Identifier: Apache-2.0

/// A list, in the form that OpenAI's clients know.
public struct ListOf<Item: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    /// `list`.
    public var object = "list"
    /// The items.
    public var data: [Item]

    /// Makes a list.
    public init(_ data: [Item]) {
        self.data = data
    }
}

/// A model that the server has.
public struct ModelInfo: Codable, Sendable, Equatable {
    /// What there is to know of it beside its name.
    public struct Details: Codable, Sendable, Equatable {
        /// The architecture, as in the model file.
        public var architecture: String
        /// The most tokens of prompt and answer together.
        public var contextLength: Int
        /// The number of token ids.
        public var vocabulary: Int
        /// Transformer layers.
        public var layers: Int
        /// KV heads in a layer.
        public var kvHeads: Int
        /// Dimensions of a head.
        public var headDimension: Int
        /// The precision that the engine computes in.
        public var precision: String
        /// The digest of the fingerprint: what KV made elsewhere has to state.
        public var fingerprint: String
        /// The digest of everything that changes the tokenizer's encodings.
        public var tokenizer: String
        /// The token ids that chunks are encoded behind.
        public var recipe: [Int32]
        /// Which two dimensions of a head RoPE turns together: `interleaved` or `halves`.
        public var ropePairing: String
        /// What the quality gate has passed, for people; nil where there is no gate.
        public var gate: String?

        /// Makes details of all their parts.
        public init(
            architecture: String, contextLength: Int, vocabulary: Int, layers: Int, kvHeads: Int, headDimension: Int,
            precision: String, fingerprint: String, tokenizer: String, recipe: [Int32], ropePairing: String,
            gate: String?
        ) {
            self.architecture = architecture
            self.contextLength = contextLength
            self.vocabulary = vocabulary
            self.layers = layers
            self.kvHeads = kvHeads
            self.headDimension = headDimension
            self.precision = precision
            self.fingerprint = fingerprint
            self.tokenizer = tokenizer
            self.recipe = recipe
            self.ropePairing = ropePairing
            self.gate = gate
        }

        private enum CodingKeys: String, CodingKey {
            case architecture, vocabulary, layers, precision, fingerprint, tokenizer, recipe, gate
            case contextLength = "context_length"
            case kvHeads = "kv_heads"
            case headDimension = "head_dimension"
            case ropePairing = "rope_pairing"
        }
    }

    /// The model's name.
    public var id: String
    /// `model`.
    public var object = "model"
    /// When it was loaded, in seconds since 1970.
    public var created: Int
    /// `tessera`.
    public var ownedBy = "tessera"
    /// What there is to know of it.
    public var tessera: Details

    /// Makes a model of its parts.
    public init(id: String, created: Int, tessera: Details) {
        self.id = id
        self.created = created
        self.tessera = tessera
    }

    private enum CodingKeys: String, CodingKey {
        case id, object, created, tessera
        case ownedBy = "owned_by"
    }
}
