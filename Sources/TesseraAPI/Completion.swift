// SPDX-License-Identifier: Apache-2.0

/// A request to `/v1/completions`: a prompt that is gone on with as it is, without a chat template.
public struct CompletionRequest: Codable, Sendable, Equatable {
    /// A prompt.
    public enum Prompt: Sendable, Equatable {
        /// As text.
        case text(String)
        /// As token ids.
        case tokens([Int32])
    }

    /// The model's name; it has to be the server's. Nil for whatever the server has.
    public var model: String?
    /// What is gone on with.
    public var prompt: Prompt
    /// Retrieved chunks, which stand in front of the prompt.
    public var documents: [Document]?
    /// How the prompt's KV comes about.
    public var tessera: ReuseOptions?
    /// How the answer is written.
    public var sampling: SamplingFields

    /// Asks with defaults for everything else.
    public init(
        model: String? = nil, prompt: Prompt, documents: [Document]? = nil, tessera: ReuseOptions? = nil,
        sampling: SamplingFields = .init()
    ) {
        self.model = model
        self.prompt = prompt
        self.documents = documents
        self.tessera = tessera
        self.sampling = sampling
    }

    private enum Key: String, CodingKey { case model, prompt, documents, tessera }

    /// Takes OpenAI's fields as they stand beside each other.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        model = try container.decodeIfPresent(String.self, forKey: .model)
        prompt = try container.decode(Prompt.self, forKey: .prompt)
        documents = try container.decodeIfPresent([Document].self, forKey: .documents)
        tessera = try container.decodeIfPresent(ReuseOptions.self, forKey: .tessera)
        sampling = try SamplingFields(from: decoder)
    }

    /// Writes OpenAI's fields beside each other.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encodeIfPresent(model, forKey: .model)
        try container.encode(prompt, forKey: .prompt)
        try container.encodeIfPresent(documents, forKey: .documents)
        try container.encodeIfPresent(tessera, forKey: .tessera)
        try sampling.encode(to: encoder)
    }
}

extension CompletionRequest.Prompt: Codable {
    /// A string, a list of ids, or a list of one of these.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let tokens = try? container.decode(TokenIDs.self) {
            self = .tokens(tokens.ids)
        } else {
            let prompts = try container.decode([CompletionRequest.Prompt].self)
            guard prompts.count == 1, let prompt = prompts.first else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "one prompt at a time can be gone on with, not \(prompts.count)")
            }
            self = prompt
        }
    }

    /// A string or a list of ids.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .tokens(let tokens): try container.encode(tokens)
        }
    }
}

/// An answer of `/v1/completions`, and each event of a streamed one.
public struct CompletionResponse: Codable, Sendable, Equatable {
    /// One answer of several; there is one.
    public struct Choice: Codable, Sendable, Equatable {
        /// Its number.
        public var index: Int
        /// The answer, or what is new of it.
        public var text: String
        /// `stop` or `length`; nil before the last event.
        @Nullable public var finishReason: String?
        /// Always null.
        @Nullable public var logprobs: String?

        /// Makes a choice of its parts.
        public init(index: Int = 0, text: String, finishReason: String?) {
            self.index = index
            self.text = text
            self.finishReason = finishReason
        }

        private enum CodingKeys: String, CodingKey {
            case index, text, logprobs
            case finishReason = "finish_reason"
        }
    }

    /// The answer's id.
    public var id: String
    /// `text_completion`.
    public var object = "text_completion"
    /// When it was made, in seconds since 1970.
    public var created: Int
    /// The model's name.
    public var model: String
    /// The answers.
    public var choices: [Choice]
    /// Tokens; of a stream in the last event where they were asked for.
    public var usage: Usage?
    /// What was reused and computed; of a stream in the event that ends the answer.
    public var tessera: ReuseSummary?

    /// Makes a response of its parts.
    public init(
        id: String, created: Int, model: String, choices: [Choice], usage: Usage? = nil, tessera: ReuseSummary? = nil
    ) {
        self.id = id
        self.created = created
        self.model = model
        self.choices = choices
        self.usage = usage
        self.tessera = tessera
    }
}
