// SPDX-License-Identifier: Apache-2.0

internal import COpenBLAS
public import TesseraKV

/// Keeps what queries to come will look at, as far as the queries that were already there foretell it.
///
/// Expected Attention (Devoto et al., arXiv 2510.00636), §3. Queries before RoPE are taken as normal with the mean μ and
/// the covariance Σ of those of the prompt; RoPE turns them by R̄, the mean rotation of the positions ahead. A key's
/// expected score is softmax over the keys of μ'ᵀk/√d + kᵀΣ'k/(2d) with μ' = R̄μ and Σ' = R̄ΣR̄ᵀ, averaged over the KV
/// head's group, and is multiplied with ‖v‖. The first tokens are sinks: their queries don't count and they stay.
public struct ExpectedAttentionPress: Press {
    /// The positions ahead.
    public var horizon: Int
    /// What is added to each expected attention, so that values count where attention is next to nothing.
    public var epsilon: Float
    /// The first tokens, which stay.
    public var sinks: Int

    /// A press of all its numbers.
    public init(horizon: Int = 512, epsilon: Float = 0, sinks: Int = 4) {
        self.horizon = horizon
        self.epsilon = epsilon
        self.sinks = sinks
    }

    /// `expected`.
    public var name: String { "expected" }
    /// The queries of all tokens.
    public var needs: PressNeeds { PressNeeds(queries: true) }

    /// The most positions ahead: all are turned by, one after the other.
    private static let farthest = 1 << 20

    /// Expected attention × the norm of the values.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` where there are no queries to go by, and for options out of range.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        guard (1...Self.farthest).contains(horizon), epsilon >= 0, epsilon.isFinite, sinks >= 0 else {
            throw TesseraError(
                .invalidInput,
                "expected attention takes 1 to \(Self.farthest) positions ahead, no negative epsilon and no negative sinks"
            )
        }
        let (dimension, heads) = (view.layout.headDimension, view.queryHeads)
        let rows = view.queries.count / (heads * dimension)
        guard rows > 0 else {
            throw TesseraError(.invalidInput, "expected attention needs computed tokens, and this prompt has none")
        }
        // Only a prompt's own first tokens are sinks, whichever rows were computed.
        let early = view.computed.isEmpty ? sinks : view.computed.count { $0 < sinks }
        let skipped = rows - early > early ? early : 0
        let rotation = MeanRotation(view.rotary, from: (view.positions.max() ?? -1) + 1, count: horizon)
        var scores = TokenScores(
            heads: (0..<view.layout.heads).map { head in
                // What R̄ does to μ and Σ is done to the keys the other way round, once for the whole group.
                let keys = rotation.turnedBack(view.rows(view.keys, head), dimension: dimension)
                let values = view.rows(view.values, head)
                var sum = [Double](repeating: 0, count: view.tokens)
                for query in head * view.group..<(head + 1) * view.group {
                    let queries = NormalQueries(view.queries, from: skipped, heads: heads, head: query, dimension)
                    let expected = softmax(queries.scores(of: keys))
                    for token in sum.indices { sum[token] += expected[token] }
                }
                return sum.indices.map { token in
                    let value = values[token * dimension..<(token + 1) * dimension]
                    let norm = value.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                    return Float((sum[token] / Double(view.group) + Double(epsilon)) * norm)
                }
            })
        try scores.protect(first: sinks)
        return scores
    }
}

/// The mean of RoPE's rotations over a run of positions; no rotation itself.
struct MeanRotation {
    private let cosines: [Float]
    private let sines: [Float]
    private let pairing: RotaryTable.Pairing

    init(_ rotary: RotaryTable, from position: Int32, count: Int) {
        let angles = rotary.angles(at: (0..<count).map { position + Int32($0) })
        func means(_ numbers: [Float]) -> [Float] {
            (0..<angles.pairs).map { pair in
                Float((0..<count).reduce(0) { $0 + Double(numbers[$1 * angles.pairs + pair]) } / Double(count))
            }
        }
        (cosines, sines, pairing) = (means(angles.cosines), means(angles.sines), angles.pairing)
    }

    /// R̄ᵀk of keys of shape (token, dimension).
    func turnedBack(_ keys: [Float], dimension: Int) -> [Float] {
        var turned = keys
        for pair in cosines.indices {
            let (a, b) = pairing.places(of: pair, pairs: cosines.count)
            for start in stride(from: 0, to: turned.count, by: dimension) {
                let (x, y) = (turned[start + a], turned[start + b])
                turned[start + a] = x * cosines[pair] + y * sines[pair]
                turned[start + b] = y * cosines[pair] - x * sines[pair]
            }
        }
        return turned
    }
}

/// The queries of a head as a normal distribution.
struct NormalQueries {
    private let mean: [Float]
    private let covariance: [Float]  // (dimension, dimension), the upper triangle

    /// - Parameters:
    ///   - queries: (row, query head, dimension), a row at least behind the first that counts.
    ///   - first: The first row that counts.
    init(_ queries: [Float], from first: Int, heads: Int, head: Int, _ dimension: Int) {
        let starts = stride(from: (first * heads + head) * dimension, to: queries.count, by: heads * dimension)
        var centred: [Float] = []
        centred.reserveCapacity(queries.count / heads)
        var sums = [Double](repeating: 0, count: dimension)
        for start in starts {
            centred += queries[start..<start + dimension]
            for i in 0..<dimension { sums[i] += Double(queries[start + i]) }
        }
        let (count, order) = (centred.count / dimension, Int32(dimension))
        let mean = sums.map { Float($0 / Double(count)) }
        for start in stride(from: 0, to: centred.count, by: dimension) {
            for i in 0..<dimension { centred[start + i] -= mean[i] }
        }
        var covariance = [Float](repeating: 0, count: dimension * dimension)
        cblas_ssyrk(
            CblasRowMajor, CblasUpper, CblasTrans, order, Int32(count), 1 / Float(count), centred, order, 0,
            &covariance, order)
        (self.mean, self.covariance) = (mean, covariance)
    }

    /// ln of the expected e^(q·k/√d), μᵀk/√d + kᵀΣk/(2d), for keys of shape (token, dimension).
    func scores(of keys: [Float]) -> [Double] {
        let dimension = mean.count
        let (tokens, order) = (Int32(keys.count / dimension), Int32(dimension))
        let linear = mean.map { $0 / Float(dimension).squareRoot() }
        var slopes: [Float] = []
        slopes.reserveCapacity(keys.count)
        for _ in 0..<tokens { slopes += linear }
        cblas_ssymm(
            CblasRowMajor, CblasRight, CblasUpper, tokens, order, 1 / Float(2 * dimension), covariance, order, keys,
            order, 1, &slopes, order)
        return stride(from: 0, to: keys.count, by: dimension).map { start in
            var sum = 0.0
            for index in start..<start + dimension { sum += Double(slopes[index]) * Double(keys[index]) }
            return sum
        }
    }
}
