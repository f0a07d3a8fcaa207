// SPDX-License-Identifier: Apache-2.0

/// A document of a chat: a context of the prompt, in one of the shapes that clients know.
///
/// A string; an object with `text` and perhaps `title`, as vLLM takes it; an object with `data`, a string or an object of
/// strings, as Cohere's second version takes it; or an object with `chunk`, which names a chunk of the cache.
public enum Document: Sendable, Equatable {
    /// Its text, title in front where it has one.
    case text(String)
    /// A chunk of the cache.
    case chunk(ChunkReference)
}

extension Document: Codable {
    private enum Key: String, CodingKey { case text, title, data, chunk }

    /// Takes any of the shapes. Other fields, such as `id`, say nothing to the model and are passed over.
    public init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            self = .text(text)
            return
        }
        let container = try decoder.container(keyedBy: Key.self)
        if container.contains(.chunk) {
            self = .chunk(try container.decode(ChunkReference.self, forKey: .chunk))
        } else if container.contains(.data) {
            if let text = try? container.decode(String.self, forKey: .data) {
                self = .text(text)
            } else {
                let fields = try container.decode([String: String].self, forKey: .data)
                self = .text(Self.text(of: fields))
            }
        } else {
            let text = try container.decode(String.self, forKey: .text)
            let title = try container.decodeIfPresent(String.self, forKey: .title)
            self = .text(title.map { "\($0)\n\(text)" } ?? text)
        }
    }

    /// A string, or an object with `chunk`.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .text(let text):
            var container = encoder.singleValueContainer()
            try container.encode(text)
        case .chunk(let reference):
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(reference, forKey: .chunk)
        }
    }

    /// The fields of a document as one text: title and text first, then the others by name, so that equal fields make
    /// equal tokens.
    static func text(of fields: [String: String]) -> String {
        let leading = ["title", "text", "snippet", "content"]
        let others = fields.keys.filter { !leading.contains($0) }.sorted()
        return (leading.compactMap { fields[$0] } + others.map { "\($0): \(fields[$0] ?? "")" })
            .joined(separator: "\n")
    }
}
