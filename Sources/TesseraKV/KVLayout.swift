// SPDX-License-Identifier: Apache-2.0

/// The shape of a model's keys and values: what one token costs in each layer.
///
/// Arrays of keys or values are laid out as (token, KV head, dimension), the last index running fastest.
public struct KVLayout: Sendable, Hashable, Codable {
    /// The number of transformer layers.
    public let layers: Int
    /// The number of KV heads in a layer. Query heads share them in equal groups.
    public let heads: Int
    /// The number of dimensions of one head, the same for keys and values.
    public let headDimension: Int

    /// Makes a layout; all three numbers must be positive.
    public init(layers: Int, heads: Int, headDimension: Int) {
        precondition(layers > 0 && heads > 0 && headDimension > 0, "a KV layout has positive extents")
        self.layers = layers
        self.heads = heads
        self.headDimension = headDimension
    }

    /// Numbers in one token's keys, or in its values, in one layer.
    public var width: Int { heads * headDimension }
}
