// SPDX-License-Identifier: Apache-2.0

/// A request to `/tokenize`.
public struct TokenizeRequest: Codable, Sendable, Equatable, ClosedFields {
    /// The text.
    public var text: String
    /// Whether the names of special tokens in it stand for these tokens; by default they don't.
    public var special: Bool?
    /// Whether the beginning-of-sequence token stands in front; by default it doesn't.
    public var addBeginning: Bool?

    /// Makes a request of its parts.
    public init(text: String, special: Bool? = nil, addBeginning: Bool? = nil) {
        self.text = text
        self.special = special
        self.addBeginning = addBeginning
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case text, special
        case addBeginning = "add_beginning"
    }

    package static let fieldNames = CodingKeys.names
}

/// Token ids, as `/tokenize` answers them and `/detokenize` takes them.
public struct TokenList: Codable, Sendable, Equatable, ClosedFields {
    /// The ids.
    public var tokens: [Int32]

    /// Makes a list.
    public init(tokens: [Int32]) {
        self.tokens = tokens
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case tokens }

    package static let fieldNames = CodingKeys.names
}

/// What `/detokenize` answers.
public struct DetokenizeResponse: Codable, Sendable, Equatable {
    /// The text; bytes that are no UTF-8 became U+FFFD, special tokens were left out.
    public var text: String

    /// Makes an answer.
    public init(text: String) {
        self.text = text
    }
}
