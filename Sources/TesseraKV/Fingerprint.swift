// SPDX-License-Identifier: Apache-2.0

/// Everything that changes a KV, field by field: two KVs may stand in for each other only if all of it is equal.
///
/// The fields are kept apart, and not only their digest, so that a mismatch can name the field that differs.
public struct Fingerprint: Sendable, Hashable {
    /// The architecture's name, as in the model file.
    public var architecture: String
    /// The digest of all tensor bytes with their names, types and shapes.
    public var weights: Digest256
    /// The digest of the vocabulary, the merges and the pre-tokeniser.
    public var tokenizer: Digest256
    /// The digest of an adapter over the weights; nil without one.
    public var adapter: Digest256?
    /// The rotation that positions are turned into.
    public var rotary: RotaryTable
    /// The shape of keys and values.
    public var layout: KVLayout
    /// The precision that the runtime computes in, as it names it (`bf16`, `fp32`).
    public var precision: String
    /// The recipe of chunks: the tokens of the neutral prefix that each is encoded behind.
    public var recipe: [TokenID]

    /// Makes a fingerprint of all its fields.
    public init(
        architecture: String, weights: Digest256, tokenizer: Digest256, adapter: Digest256? = nil,
        rotary: RotaryTable, layout: KVLayout, precision: String, recipe: [TokenID]
    ) {
        self.architecture = architecture
        self.weights = weights
        self.tokenizer = tokenizer
        self.adapter = adapter
        self.rotary = rotary
        self.layout = layout
        self.precision = precision
        self.recipe = recipe
    }

    /// The canonical digest of all fields.
    public var digest: Digest256 {
        var digester = Digester()
        for field in fields {
            digester.add(field.name)
            digester.add(field.digest)
        }
        return digester.digest()
    }

    /// The names of the fields in which `self` and `other` differ.
    public func differences(from other: Fingerprint) -> [String] {
        zip(fields, other.fields).filter { $0.digest != $1.digest }.map(\.0.name)
    }

    /// The name and the digest of each field, in canonical order; the form in which a store remembers a fingerprint.
    public var fields: [(name: String, digest: Digest256)] {
        [
            field("architecture") { $0.add(architecture) },
            field("weights") { $0.add(weights) },
            field("tokenizer") { $0.add(tokenizer) },
            field("adapter") { digester in
                digester.add(adapter == nil ? 0 : 1)
                if let adapter { digester.add(adapter) }
            },
            field("rotary") { rotary.add(to: &$0) },
            field("layout") {
                $0.add(layout.layers)
                $0.add(layout.heads)
                $0.add(layout.headDimension)
            },
            field("precision") { $0.add(precision) },
            field("recipe") { $0.add(recipe) },
        ]
    }

    private func field(_ name: String, _ write: (inout Digester) -> Void) -> (name: String, digest: Digest256) {
        var digester = Digester()
        write(&digester)
        return (name, digester.digest())
    }
}
