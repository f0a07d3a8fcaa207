// SPDX-License-Identifier: Apache-2.0

/// A part of a prompt, as a runtime elsewhere names it.
public enum PromptSegment: Sendable, Equatable {
    /// Token ids that are computed or belong to a stored leading run: system text, glue, the question.
    case tokens([Int32])
    /// The same as text, in which the names of special tokens have no special meaning.
    case text(String)
    /// A chunk.
    case chunk(ChunkReference)
}

extension PromptSegment: Codable {
    private enum Key: String, CodingKey { case tokens, text, chunk }

    /// An object with one of `tokens`, `text` and `chunk`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: FieldName.self)
        let names = container.allKeys
        switch (names.count, names.first?.stringValue) {
        case (1, "chunk"): self = .chunk(try container.decode(ChunkReference.self, forKey: names[0]))
        case (1, "tokens"): self = .tokens(try container.decode(TokenIDs.self, forKey: names[0]).ids)
        case (1, "text"): self = .text(try container.decode(String.self, forKey: names[0]))
        default:
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath, debugDescription: "a segment has one of tokens, text and chunk"))
        }
    }

    /// The same form as is decoded.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .tokens(let tokens): try container.encode(tokens, forKey: .tokens)
        case .text(let text): try container.encode(text, forKey: .text)
        case .chunk(let reference): try container.encode(reference, forKey: .chunk)
        }
    }
}

/// A request to `/v1/plan`.
public struct PlanRequest: Codable, Sendable, Equatable, ClosedFields {
    /// The prompt in order.
    public var segments: [PromptSegment]
    /// How its KV is to come about.
    public var tessera: ReuseOptions?
    /// The runtime whose imported KV is wanted; nil for what the server's own engine made.
    public var producer: String?

    /// Makes a request of its parts.
    public init(segments: [PromptSegment], tessera: ReuseOptions? = nil, producer: String? = nil) {
        self.segments = segments
        self.tessera = tessera
        self.producer = producer
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case segments, tessera, producer }

    package static let fieldNames = CodingKeys.names
}

/// What to do with a prompt that a runtime elsewhere computes.
public struct Plan: Codable, Sendable, Equatable {
    /// A chunk of the prompt.
    public struct Chunk: Codable, Sendable, Equatable {
        /// Its id.
        public var id: String
        /// Its first position.
        public var start: Int
        /// Its tokens.
        public var tokens: Int
        /// Whether its stored KV is used.
        public var reuse: Bool
        /// Where its KV comes from: `computed`, `isolated`, `contextual` or `prefix`.
        public var source: String
        /// Why it is not reused, as a clause; nil where it is.
        public var reason: String?
        /// Tokens of it to compute anew, as far as that is known beforehand.
        public var recomputed: Int

        /// Makes a chunk of all its parts.
        public init(
            id: String, start: Int, tokens: Int, reuse: Bool, source: String, reason: String?, recomputed: Int
        ) {
            self.id = id
            self.start = start
            self.tokens = tokens
            self.reuse = reuse
            self.source = source
            self.reason = reason
            self.recomputed = recomputed
        }
    }

    /// Which reused tokens are computed anew.
    public struct Selection: Codable, Sendable, Equatable {
        /// A step of a choice that is made while the prompt is computed.
        public struct Stage: Codable, Sendable, Equatable {
            /// The layer in which tokens are compared.
            public var layer: Int
            /// How many of them go on.
            public var budget: Int

            /// Makes a stage of its parts.
            public init(layer: Int, budget: Int) {
                self.layer = layer
                self.budget = budget
            }
        }

        /// `settled` where all is known now; `measured` where the runtime has to compare in the stages' layers;
        /// `question` where the question's attention over the stored KV ranks the tokens.
        public var kind: String
        /// Positions to compute in every layer, ascending.
        public var positions: [Int]
        /// What a runtime compares: `values`, `keys` or `attendedValues`.
        public var measure: String?
        /// Where it narrows its choice. Below the first stage's layer all reused tokens are computed.
        public var stages: [Stage]
        /// How many tokens `question` takes.
        public var budget: Int?

        /// Makes a selection of all its parts.
        public init(kind: String, positions: [Int], measure: String?, stages: [Stage], budget: Int?) {
            self.kind = kind
            self.positions = positions
            self.measure = measure
            self.stages = stages
            self.budget = budget
        }
    }

    /// `exact` or `stitched`.
    public var assembly: String
    /// The selector's name; nil for `exact`.
    public var selector: String?
    /// The share of reused tokens that it was asked to pick.
    public var ratio: Double?
    /// Why this way.
    public var reason: String
    /// Tokens of the whole prompt.
    public var promptTokens: Int
    /// Tokens of a stored leading run: they need no computing.
    public var prefixTokens: Int
    /// The chunks, in prompt order.
    public var chunks: [Chunk]
    /// Which reused tokens are computed anew. What is neither reused nor of the leading run is computed in any case.
    public var selection: Selection

    /// Makes a plan of all its parts.
    public init(
        assembly: String, selector: String?, ratio: Double?, reason: String, promptTokens: Int, prefixTokens: Int,
        chunks: [Chunk], selection: Selection
    ) {
        self.assembly = assembly
        self.selector = selector
        self.ratio = ratio
        self.reason = reason
        self.promptTokens = promptTokens
        self.prefixTokens = prefixTokens
        self.chunks = chunks
        self.selection = selection
    }

    private enum CodingKeys: String, CodingKey {
        case assembly, selector, ratio, reason, chunks, selection
        case promptTokens = "prompt_tokens"
        case prefixTokens = "prefix_tokens"
    }
}
