// SPDX-License-Identifier: Apache-2.0

/// Turns text into a model's token ids and back.
public protocol Tokenizer: Sendable {
    /// The token that opens a sequence; nil where the model has none.
    var beginning: TokenID? { get }
    /// The tokens that end an answer.
    var endings: Set<TokenID> { get }
    /// Whether the model was trained with ``beginning`` in front of each sequence.
    var addsBeginning: Bool { get }
    /// The digest of everything that changes an encoding.
    var digest: Digest256 { get }
    /// Whether ``encode(_:special:)`` puts a space in front of a text, which decoding takes away again.
    var addsLeadingSpace: Bool { get }

    /// The ids of `text`, with nothing added in front or behind.
    ///
    /// - Parameters:
    ///   - text: Any text; the empty one has no tokens.
    ///   - special: Whether the names of special tokens (`<s>`, `<|eot_id|>`) in the text stand for these tokens. Off
    ///     for text that comes from users and documents, so that it can't pretend to be the template's.
    func encode(_ text: String, special: Bool) -> [TokenID]

    /// The bytes that one token stands for; empty for special tokens unless `special` is set, and for unknown ids.
    func bytes(of token: TokenID, special: Bool) -> [UInt8]
}

extension Tokenizer {
    /// By default not.
    public var addsLeadingSpace: Bool { false }

    /// The text of `tokens`. Bytes that are no UTF-8 become U+FFFD; special tokens are left out.
    public func decode(_ tokens: [TokenID]) -> String {
        var decoder = StreamingDecoder(self)
        return tokens.reduce(into: "") { $0 += decoder.feed($1) } + decoder.finish()
    }
}
