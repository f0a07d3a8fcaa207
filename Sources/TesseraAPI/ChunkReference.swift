// SPDX-License-Identifier: Apache-2.0

/// A chunk, by one of the ways to name it.
public enum ChunkReference: Sendable, Equatable {
    /// The id that ingest, warm-up or a plan returned: 64 hexadecimal digits.
    case id(String)
    /// Its token ids.
    case tokens([Int32])
    /// Its text, which the server tokenises.
    case text(String)
}

extension ChunkReference: Codable {
    private enum Key: String, CodingKey { case tokens, text }

    /// A string is an id; an object has `tokens` or `text`.
    public init(from decoder: any Decoder) throws {
        if let id = try? decoder.singleValueContainer().decode(String.self) {
            self = .id(id)
            return
        }
        let container = try decoder.container(keyedBy: FieldName.self)
        let names = container.allKeys
        switch (names.count, names.first?.stringValue) {
        case (1, "tokens"): self = .tokens(try container.decode(TokenIDs.self, forKey: names[0]).ids)
        case (1, "text"): self = .text(try container.decode(String.self, forKey: names[0]))
        default:
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "a chunk is its id as a string, or an object with one of tokens and text"))
        }
    }

    /// The same form as is decoded.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .id(let id):
            var container = encoder.singleValueContainer()
            try container.encode(id)
        case .tokens(let tokens):
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(tokens, forKey: .tokens)
        case .text(let text):
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(text, forKey: .text)
        }
    }
}
