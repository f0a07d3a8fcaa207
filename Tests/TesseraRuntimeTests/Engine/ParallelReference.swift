// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV

/// Attention over parallel contexts by the definition (`compression.md` §1.5), in double precision.
enum ParallelReference {
    struct Row {
        var output: [Double]
        /// ℓ_C and ℓ_O.
        var contextLogSum: Double
        var otherLogSum: Double
        /// w_C.
        var contextWeight: Double
    }

    /// One query.
    ///
    /// - Parameters:
    ///   - scores: q·k / √d of each key, −∞ where the mask hides it.
    ///   - values: Those of each key.
    static func row(scores: [Double], values: [[Double]], _ parallel: ParallelContexts) -> Row {
        let (temperature, scale) = (Double(parallel.temperature), Double(parallel.scale))
        let contexts = scores.indices.filter(parallel.slots.contains)
        let others = scores.indices.filter { !parallel.slots.contains($0) }
        let (contextOutput, contextLogSum) = softmax(
            contexts.map { scores[$0] / temperature }, contexts.map { values[$0] })
        let (otherOutput, otherLogSum) = softmax(others.map { scores[$0] }, others.map { values[$0] })
        let weighed = contextLogSum == -.infinity ? -.infinity : scale * temperature * contextLogSum
        let weight = weighed == -.infinity ? 0 : 1 / (1 + exp(otherLogSum - weighed))
        var output = [Double](repeating: 0, count: values[0].count)
        for index in output.indices {
            if let other = otherOutput { output[index] += (1 - weight) * other[index] }
            if let context = contextOutput { output[index] += weight * context[index] }
        }
        return Row(
            output: output, contextLogSum: contextLogSum, otherLogSum: otherLogSum, contextWeight: weight)
    }

    /// The weighted mean of values, nil where nothing is seen, and ln Σ e^score.
    private static func softmax(_ scores: [Double], _ values: [[Double]]) -> (mean: [Double]?, logSum: Double) {
        guard let top = scores.max(), top > -.infinity, let width = values.first?.count else {
            return (nil, -.infinity)
        }
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        var mean = [Double](repeating: 0, count: width)
        for key in values.indices {
            for index in 0..<width { mean[index] += weights[key] / sum * values[key][index] }
        }
        return (mean, top + log(sum))
    }
}

extension AttentionCase {
    /// The output of attention over parallel contexts by the definition, (row, head, dimension).
    func defined(_ parallel: ParallelContexts) -> [Float] {
        let values = (0..<keyHeads).map { head in
            keyPositions.indices.map { vector(self.values, $0, head).map { Double($0) } }
        }
        return queryPositions.indices.flatMap { row in
            (0..<heads).flatMap { head in
                let keyHead = head / (heads / keyHeads)
                return ParallelReference.row(scores: scores(row, head, keyHead), values: values[keyHead], parallel)
                    .output.map { Float($0) }
            }
        }
    }

    /// q·k / √d of each key, −∞ where the mask hides it.
    private func scores(_ row: Int, _ head: Int, _ keyHead: Int) -> [Double] {
        let query = (row * heads + head) * dimension
        return keyPositions.indices.map { slot in
            guard keyPositions[slot] <= queryPositions[row] else { return -.infinity }
            let key = (slot * keyHeads + keyHead) * dimension
            var sum = 0.0
            for index in 0..<dimension { sum += Double(queries[query + index]) * Double(keys[key + index]) }
            return sum / Double(dimension).squareRoot()
        }
    }
}
