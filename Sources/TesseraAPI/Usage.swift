// SPDX-License-Identifier: Apache-2.0

/// How many tokens a request took.
public struct Usage: Codable, Sendable, Equatable {
    /// What became of the prompt's tokens.
    public struct PromptTokensDetails: Codable, Sendable, Equatable {
        /// Tokens of a stored leading run, reused exactly. Chunks that were stitched in are not among them: they stand in
        /// the `tessera` object.
        public var cachedTokens: Int

        /// Makes details.
        public init(cachedTokens: Int) {
            self.cachedTokens = cachedTokens
        }

        private enum CodingKeys: String, CodingKey {
            case cachedTokens = "cached_tokens"
        }
    }

    /// Tokens of the prompt.
    public var promptTokens: Int
    /// Tokens of the answer.
    public var completionTokens: Int
    /// Both.
    public var totalTokens: Int
    /// What became of the prompt's tokens.
    public var promptTokensDetails: PromptTokensDetails

    /// Adds up.
    public init(promptTokens: Int, completionTokens: Int, cachedTokens: Int) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        totalTokens = promptTokens + completionTokens
        promptTokensDetails = PromptTokensDetails(cachedTokens: cachedTokens)
    }

    private enum CodingKeys: String, CodingKey {
        case promptTokens = "prompt_tokens"
        case completionTokens = "completion_tokens"
        case totalTokens = "total_tokens"
        case promptTokensDetails = "prompt_tokens_details"
    }
}
