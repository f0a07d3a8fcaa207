// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// What chunking needs of a tokenizer: the ids of a text, and a name for everything that changes them.
public struct TokenEncoder: Sendable {
    /// The digest of everything that changes an encoding.
    public let digest: Digest256
    /// The ids of a text, with nothing added; the names of special tokens in it are ordinary text.
    public let encode: @Sendable (String) -> [TokenID]

    /// Encodes with a model's own tokenizer.
    public init(_ tokenizer: any Tokenizer) {
        digest = tokenizer.digest
        encode = { tokenizer.encode($0, special: false) }
    }

    /// Encodes with a function.
    ///
    /// - Parameters:
    ///   - digest: Names the function; chunks that were cut under another digest are cut anew.
    ///   - encode: The ids of a text, the same for the same text.
    public init(digest: Digest256, encode: @escaping @Sendable (String) -> [TokenID]) {
        self.digest = digest
        self.encode = encode
    }
}
