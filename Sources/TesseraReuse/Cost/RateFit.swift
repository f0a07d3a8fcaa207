// SPDX-License-Identifier: Apache-2.0

/// Learns what units of work cost from whole pieces of work that were timed: seconds ≈ Σ rate · amount.
///
/// Least squares on relative errors with rates of at least 0, older pieces counting less and less. There are at most a
/// handful of kinds of work, so the best set of rates above 0 is found by trying all sets.
public struct RateFit: Sendable, Codable, Equatable {
    /// What a piece that is `n` pieces old still counts: this to the power of n.
    private static let memory = 0.98

    private let kinds: Int
    private var products: [Double]  // Σ a·aᵀ, (kind, kind)
    private var sums: [Double]  // Σ a
    /// How many pieces were learned from.
    public private(set) var pieces = 0

    /// Begins with nothing.
    ///
    /// - Parameter kinds: The number of kinds of work, 1 … 4.
    public init(kinds: Int) {
        precondition((1...4).contains(kinds), "a handful of kinds")
        self.kinds = kinds
        products = Array(repeating: 0, count: kinds * kinds)
        sums = Array(repeating: 0, count: kinds)
    }

    /// Learns from a piece of work.
    ///
    /// - Parameters:
    ///   - amounts: How much of each kind it was.
    ///   - seconds: How long it took; pieces that took no time are passed over.
    public mutating func add(_ amounts: [Double], seconds: Double) {
        precondition(amounts.count == kinds, "an amount of each kind")
        guard seconds > 0, seconds.isFinite else { return }
        let parts = amounts.map { $0 / seconds }
        for i in 0..<kinds {
            for j in 0..<kinds {
                products[i * kinds + j] = products[i * kinds + j] * Self.memory + parts[i] * parts[j]
            }
            sums[i] = sums[i] * Self.memory + parts[i]
        }
        pieces += 1
    }

    /// Seconds per unit of each kind; nil before anything was learned.
    public var rates: [Double]? {
        guard pieces > 0 else { return nil }
        var best: (gain: Double, rates: [Double])?
        for set in 1..<(1 << kinds) {
            let chosen = (0..<kinds).filter { set >> $0 & 1 == 1 }
            guard let solved = solve(chosen), solved.allSatisfy({ $0 >= 0 && $0.isFinite }) else { continue }
            // Σ (1 − Σ rate · part)² is smallest where Σ rate · sum is largest, at its own minimum.
            let gain = zip(chosen, solved).reduce(0) { $0 + sums[$1.0] * $1.1 }
            guard gain > (best?.gain ?? 0) * (1 + 1e-9) else { continue }
            var rates = Array(repeating: 0.0, count: kinds)
            for (kind, rate) in zip(chosen, solved) { rates[kind] = rate }
            best = (gain, rates)
        }
        return best?.rates
    }

    /// What a piece of work will take; nil before anything was learned.
    public func seconds(for amounts: [Double]) -> Double? {
        precondition(amounts.count == kinds, "an amount of each kind")
        return rates.map { zip($0, amounts).reduce(0) { $0 + $1.0 * $1.1 } }
    }

    /// Gaussian elimination with pivots on the chosen kinds; nil where they can't be told apart.
    private func solve(_ chosen: [Int]) -> [Double]? {
        let count = chosen.count
        var rows = chosen.map { i in chosen.map { products[i * kinds + $0] } + [sums[i]] }
        for column in 0..<count {
            guard let pivot = (column..<count).max(by: { abs(rows[$0][column]) < abs(rows[$1][column]) }),
                abs(rows[pivot][column]) > 1e-12 * (rows.map { abs($0[column]) }.max() ?? 0),
                rows[pivot][column] != 0
            else { return nil }
            rows.swapAt(column, pivot)
            for row in 0..<count where row != column {
                let factor = rows[row][column] / rows[column][column]
                for i in column...count { rows[row][i] -= factor * rows[column][i] }
            }
        }
        return (0..<count).map { rows[$0][count] / rows[$0][$0] }
    }
}
