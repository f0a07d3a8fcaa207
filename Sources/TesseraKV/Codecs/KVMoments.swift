// SPDX-License-Identifier: Apache-2.0

/// Sums over calibration text from which ``LowRankBasis`` is made: for the keys and the values of each KV head of each
/// layer, the mean and the covariance.
///
/// Sums are in double precision and are not shifted; the covariance loses as many digits as the mean is larger than the
/// spread, squared, which leaves enough for keys whose mean is a thousand times their spread.
public struct KVMoments: Sendable {
    /// The shape of keys and values.
    public let layout: KVLayout
    /// Tokens that were added to each layer.
    public private(set) var tokens: [Int]
    /// Sums of numbers, (layer, part, KV head, dimension).
    private var sums: [Double]
    /// Sums of products, (layer, part, KV head, dimension, dimension), of which the lower triangle is kept.
    private var products: [Double]

    /// No tokens yet.
    public init(layout: KVLayout) {
        self.layout = layout
        let heads = layout.layers * 2 * layout.heads
        tokens = Array(repeating: 0, count: layout.layers)
        sums = Array(repeating: 0, count: heads * layout.headDimension)
        products = Array(repeating: 0, count: heads * layout.headDimension * layout.headDimension)
    }

    /// Adds some tokens of a layer.
    ///
    /// - Parameters:
    ///   - keys: Keys before RoPE, (token, KV head, dimension).
    ///   - values: Values, (token, KV head, dimension).
    ///   - layer: The layer.
    /// - Complexity: tokens · KV heads · dimension².
    public mutating func add(keys: [Float], values: [Float], layer: Int) {
        precondition(keys.count == values.count && keys.count % layout.width == 0, "keys and values of whole tokens")
        let (dimension, count) = (layout.headDimension, keys.count / layout.width)
        tokens[layer] += count
        var row = [Double](repeating: 0, count: dimension)
        for (part, numbers) in [keys, values].enumerated() {
            for head in 0..<layout.heads {
                let place = (2 * layer + part) * layout.heads + head
                for token in 0..<count {
                    let start = token * layout.width + head * dimension
                    for index in 0..<dimension { row[index] = Double(numbers[start + index]) }
                    for index in 0..<dimension {
                        sums[place * dimension + index] += row[index]
                        let line = (place * dimension + index) * dimension
                        for other in 0...index { products[line + other] += row[index] * row[other] }
                    }
                }
            }
        }
    }

    /// The mean of a head, (dimension); zeros before anything was added.
    public func mean(of part: KVPart, layer: Int, head: Int) -> [Double] {
        let (place, dimension) = (place(part, layer, head), layout.headDimension)
        let count = Double(max(1, tokens[layer]))
        return (0..<dimension).map { sums[place * dimension + $0] / count }
    }

    /// The covariance of a head, (dimension, dimension): E[x xᵀ] − E[x] E[x]ᵀ.
    public func covariance(of part: KVPart, layer: Int, head: Int) -> [Double] {
        let (place, dimension) = (place(part, layer, head), layout.headDimension)
        let mean = mean(of: part, layer: layer, head: head)
        let count = Double(max(1, tokens[layer]))
        var matrix = [Double](repeating: 0, count: dimension * dimension)
        for row in 0..<dimension {
            for column in 0...row {
                let product = products[(place * dimension + row) * dimension + column] / count
                matrix[row * dimension + column] = product - mean[row] * mean[column]
                matrix[column * dimension + row] = matrix[row * dimension + column]
            }
        }
        return matrix
    }

    private func place(_ part: KVPart, _ layer: Int, _ head: Int) -> Int {
        (2 * layer + part.rawValue) * layout.heads + head
    }
}
