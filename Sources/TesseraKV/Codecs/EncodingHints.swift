// SPDX-License-Identifier: Apache-2.0

/// What a caller knows of a layer beyond its keys and values; each codec takes what it can use.
public struct EncodingHints: Sendable {
    /// Which layer of the model it is; ``LowRankCodec`` has a basis for each.
    public var layer: Int?
    /// How much each token matters, higher for more; ``ZipCacheCodec`` gives those that matter most more bits. Any scale
    /// will do, only the order counts.
    public var saliency: [Float]?

    /// Hints, none unless given.
    public init(layer: Int? = nil, saliency: [Float]? = nil) {
        self.layer = layer
        self.saliency = saliency
    }
}
