// SPDX-License-Identifier: Apache-2.0

/// What a runtime says of its model: the numbers that the cache and the prompt builder need.
public struct ModelDescription: Sendable {
    /// The model's name, for people.
    public var name: String
    /// The architecture's name, as in the model file.
    public var architecture: String
    /// The width of the residual stream.
    public var width: Int
    /// The number of query heads.
    public var queryHeads: Int
    /// The shape of keys and values.
    public var layout: KVLayout
    /// The number of tokens in the vocabulary.
    public var vocabulary: Int
    /// The longest prompt with its answer, in tokens.
    public var contextLength: Int
    /// How positions turn keys and queries.
    public var rotary: RotaryTable
    /// The precision that the runtime computes in (`bf16`, `fp32`).
    public var precision: String
    /// The chat template of the model file, in Jinja; nil where it has none.
    public var chatTemplate: String?
    /// The digest of all tensor bytes.
    public var weights: Digest256

    /// Makes a description of all its fields.
    public init(
        name: String, architecture: String, width: Int, queryHeads: Int, layout: KVLayout, vocabulary: Int,
        contextLength: Int, rotary: RotaryTable, precision: String, chatTemplate: String?, weights: Digest256
    ) {
        self.name = name
        self.architecture = architecture
        self.width = width
        self.queryHeads = queryHeads
        self.layout = layout
        self.vocabulary = vocabulary
        self.contextLength = contextLength
        self.rotary = rotary
        self.precision = precision
        self.chatTemplate = chatTemplate
        self.weights = weights
    }
}
