// SPDX-License-Identifier: Apache-2.0

/// How an answer is written: the fields that chat and completions share, with OpenAI's names and defaults.
public struct SamplingFields: Codable, Sendable, Equatable {
    /// What comes with a stream.
    public struct StreamOptions: Codable, Sendable, Equatable {
        /// Whether a last event has the usage.
        public var includeUsage: Bool?

        /// Makes options.
        public init(includeUsage: Bool? = nil) {
            self.includeUsage = includeUsage
        }

        private enum CodingKeys: String, CodingKey {
            case includeUsage = "include_usage"
        }
    }

    /// Whether the answer comes in events.
    public var stream: Bool?
    /// What comes with them.
    public var streamOptions: StreamOptions?
    /// The most tokens of the answer.
    public var maxTokens: Int?
    /// The same under its newer name, which goes before.
    public var maxCompletionTokens: Int?
    /// 0 always takes the likeliest token; 1 is the default.
    public var temperature: Double?
    /// The share of probability that tokens are drawn from.
    public var topP: Double?
    /// The start of the random sequence.
    public var seed: Int64?
    /// Texts that end the answer.
    public var stop: StopTexts?

    // What is not supported, and refused unless it says nothing.

    /// The number of answers: 1.
    public var n: Int?
    /// The number of answers of which the best is taken: 1.
    public var bestOf: Int?
    /// 0.
    public var presencePenalty: Double?
    /// 0.
    public var frequencyPenalty: Double?
    /// False, or nothing.
    public var logprobs: AnyField?
    /// Nothing.
    public var topLogprobs: AnyField?
    /// Nothing.
    public var logitBias: AnyField?
    /// None.
    public var tools: AnyField?
    /// None.
    public var functions: AnyField?
    /// Plain text.
    public var responseFormat: AnyField?
    /// False.
    public var echo: Bool?
    /// None.
    public var suffix: String?

    /// Leaves whatever isn't given at its default.
    public init(
        maxTokens: Int? = nil, temperature: Double? = nil, topP: Double? = nil, seed: Int64? = nil,
        stop: [String]? = nil
    ) {
        (self.maxTokens, self.temperature, self.topP, self.seed) = (maxTokens, temperature, topP, seed)
        self.stop = stop.map(StopTexts.init)
    }

    private enum CodingKeys: String, CodingKey {
        case stream, temperature, seed, stop, n, logprobs, tools, functions, echo, suffix
        case streamOptions = "stream_options"
        case maxTokens = "max_tokens"
        case maxCompletionTokens = "max_completion_tokens"
        case topP = "top_p"
        case bestOf = "best_of"
        case presencePenalty = "presence_penalty"
        case frequencyPenalty = "frequency_penalty"
        case topLogprobs = "top_logprobs"
        case logitBias = "logit_bias"
        case responseFormat = "response_format"
    }
}

/// One text or several that end an answer.
public struct StopTexts: Codable, Sendable, Equatable {
    /// The texts.
    public var texts: [String]

    /// Makes stop texts.
    public init(_ texts: [String]) {
        self.texts = texts
    }

    /// A string, or a list of them.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            texts = [text]
        } else {
            texts = try container.decode([String].self)
        }
    }

    /// A list.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(texts)
    }
}

/// A field of which only matters whether it asks for anything.
public struct AnyField: Codable, Sendable, Equatable {
    /// Whether it asks for nothing: null, false, an empty list or object, `{"type": "text"}`.
    public var saysNothing: Bool

    private enum Key: String, CodingKey { case type }

    /// Takes any value.
    public init(from decoder: any Decoder) throws {
        if let list = try? decoder.unkeyedContainer() {
            saysNothing = list.isAtEnd
        } else if let fields = try? decoder.container(keyedBy: AnyKey.self) {
            let type = try? decoder.container(keyedBy: Key.self).decode(String.self, forKey: .type)
            saysNothing = fields.allKeys.isEmpty || (type == "text" && fields.allKeys.count == 1)
        } else {
            let container = try decoder.singleValueContainer()
            let flag = try? container.decode(Bool.self)
            saysNothing = container.decodeNil() || flag == false
        }
    }

    /// What says nothing is `false`; nothing else can be written.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(!saysNothing)
    }

    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }

        init?(intValue: Int) { nil }
    }
}
