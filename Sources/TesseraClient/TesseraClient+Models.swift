// SPDX-License-Identifier: Apache-2.0

public import TesseraAPI

extension TesseraClient {
    /// The models that the server has.
    public func models() async throws(TesseraClientError) -> [ModelInfo] {
        try await transport.value(.get("v1", "models"), as: ListOf<ModelInfo>.self).data
    }

    /// A model, by its name.
    public func model(named name: String) async throws(TesseraClientError) -> ModelInfo {
        try await transport.value(.get("v1", "models", name))
    }

    /// Turns text into token ids.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - special: Whether the names of special tokens in it stand for these tokens.
    ///   - addBeginning: Whether the beginning-of-sequence token stands in front.
    public func tokenize(
        _ text: String, special: Bool = false, addBeginning: Bool = false
    ) async throws(TesseraClientError) -> [Int32] {
        let request = TokenizeRequest(text: text, special: special, addBeginning: addBeginning)
        return try await transport.value(.post("tokenize", json: request), as: TokenList.self).tokens
    }

    /// Turns token ids into text. Bytes that are no UTF-8 become U+FFFD, special tokens are left out.
    public func detokenize(_ tokens: [Int32]) async throws(TesseraClientError) -> String {
        try await transport.value(.post("detokenize", json: TokenList(tokens: tokens)), as: DetokenizeResponse.self)
            .text
    }
}
