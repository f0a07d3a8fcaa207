// SPDX-License-Identifier: Apache-2.0

/// A request to `/v1/chat/completions`.
public struct ChatRequest: Codable, Sendable, Equatable {
    /// The model's name; it has to be the server's. Nil for whatever the server has.
    public var model: String?
    /// What was said, the question last.
    public var messages: [ChatMessage]
    /// The retrieved chunks, in the order in which the model reads them.
    public var documents: [Document]?
    /// How the prompt's KV comes about.
    public var tessera: ReuseOptions?
    /// How the answer is written.
    public var sampling: SamplingFields

    /// Asks with defaults for everything else.
    public init(
        model: String? = nil, messages: [ChatMessage], documents: [Document]? = nil, tessera: ReuseOptions? = nil,
        sampling: SamplingFields = .init()
    ) {
        self.model = model
        self.messages = messages
        self.documents = documents
        self.tessera = tessera
        self.sampling = sampling
    }

    private enum Key: String, CodingKey { case model, messages, documents, tessera }

    /// Takes OpenAI's fields as they stand beside each other.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        model = try container.decodeIfPresent(String.self, forKey: .model)
        messages = try container.decode([ChatMessage].self, forKey: .messages)
        documents = try container.decodeIfPresent([Document].self, forKey: .documents)
        tessera = try container.decodeIfPresent(ReuseOptions.self, forKey: .tessera)
        sampling = try SamplingFields(from: decoder)
    }

    /// Writes OpenAI's fields beside each other.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encodeIfPresent(model, forKey: .model)
        try container.encode(messages, forKey: .messages)
        try container.encodeIfPresent(documents, forKey: .documents)
        try container.encodeIfPresent(tessera, forKey: .tessera)
        try sampling.encode(to: encoder)
    }
}

/// What one side said.
public struct ChatMessage: Codable, Sendable, Equatable {
    /// `system`, `developer`, `user` or `assistant`.
    public var role: String
    /// What was said.
    public var content: String

    /// Makes a message of its parts.
    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }

    private enum Key: String, CodingKey { case role, content }

    private struct Part: Decodable {
        var type: String
        var text: String?
    }

    /// Takes content as a string, or as a list of parts that are all text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        role = try container.decode(String.self, forKey: .role)
        if let text = try? container.decode(String.self, forKey: .content) {
            content = text
            return
        }
        let parts = try container.decode([Part].self, forKey: .content)
        content = try parts.map { part in
            guard part.type == "text", let text = part.text else {
                throw DecodingError.dataCorruptedError(
                    forKey: .content, in: container,
                    debugDescription: "only parts of type text can be read, not \(part.type)")
            }
            return text
        }.joined()
    }
}

/// An answer of `/v1/chat/completions`.
public struct ChatResponse: Codable, Sendable, Equatable {
    /// One answer of several; there is one.
    public struct Choice: Codable, Sendable, Equatable {
        /// Its number.
        public var index: Int
        /// The answer.
        public var message: ChatMessage
        /// `stop` or `length`.
        public var finishReason: String

        /// Makes a choice of its parts.
        public init(index: Int = 0, message: ChatMessage, finishReason: String) {
            self.index = index
            self.message = message
            self.finishReason = finishReason
        }

        private enum CodingKeys: String, CodingKey {
            case index, message
            case finishReason = "finish_reason"
        }
    }

    /// The answer's id.
    public var id: String
    /// `chat.completion`.
    public var object = "chat.completion"
    /// When it was made, in seconds since 1970.
    public var created: Int
    /// The model's name.
    public var model: String
    /// The answers.
    public var choices: [Choice]
    /// Tokens.
    public var usage: Usage
    /// What was reused and computed.
    public var tessera: ReuseSummary

    /// Makes a response of its parts.
    public init(
        id: String, created: Int, model: String, choices: [Choice], usage: Usage, tessera: ReuseSummary
    ) {
        self.id = id
        self.created = created
        self.model = model
        self.choices = choices
        self.usage = usage
        self.tessera = tessera
    }
}

/// An event of a streamed chat.
public struct ChatEvent: Codable, Sendable, Equatable {
    /// What is new of the answer.
    public struct Choice: Codable, Sendable, Equatable {
        /// The new part of the message.
        public struct Delta: Codable, Sendable, Equatable {
            /// Who speaks, in the first event.
            public var role: String?
            /// More of the answer.
            public var content: String?

            /// Makes a delta of its parts.
            public init(role: String? = nil, content: String? = nil) {
                self.role = role
                self.content = content
            }
        }

        /// Its number.
        public var index: Int
        /// The new part.
        public var delta: Delta
        /// `stop` or `length` in the last event, else nil.
        @Nullable public var finishReason: String?

        /// Makes a choice of its parts.
        public init(index: Int = 0, delta: Delta, finishReason: String? = nil) {
            self.index = index
            self.delta = delta
            self.finishReason = finishReason
        }

        private enum CodingKeys: String, CodingKey {
            case index, delta
            case finishReason = "finish_reason"
        }
    }

    /// The answer's id.
    public var id: String
    /// `chat.completion.chunk`.
    public var object = "chat.completion.chunk"
    /// When the answer was begun, in seconds since 1970.
    public var created: Int
    /// The model's name.
    public var model: String
    /// What is new; empty in the event that has the usage.
    public var choices: [Choice]
    /// Tokens, in the last event where they were asked for.
    public var usage: Usage?
    /// What was reused and computed, in the event that ends the answer.
    public var tessera: ReuseSummary?

    /// Makes an event of its parts.
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
