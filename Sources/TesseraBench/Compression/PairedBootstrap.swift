// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The difference of two methods' right answers on the same questions, with the interval that resampling gives.
///
/// Questions about one prompt stand or fall together, so prompts are drawn, with all of their questions (a cluster
/// bootstrap, Davison and Hinkley 1997, §3.8); the interval is that of the 2.5th and 97.5th percentile.
public struct PairedBootstrap: Sendable, Codable, Equatable {
    /// The difference in points (hundredths of all questions): above 0 where the first method is ahead.
    public var points: Double
    /// The lower end of the 95 % interval.
    public var low: Double
    /// The upper end of the 95 % interval.
    public var high: Double

    /// Compares pair by pair.
    ///
    /// - Parameters:
    ///   - first: Whether each question was answered right by the first method.
    ///   - second: The same by the second.
    ///   - clusters: The prompt of each question.
    init(_ first: [Bool], against second: [Bool], clusters: [Int], draws: Int = 4000, seed: UInt64 = 1) {
        precondition(first.count == second.count && first.count == clusters.count, "the same questions both ways")
        var sums: [Int: (difference: Int, count: Int)] = [:]
        for index in clusters.indices {
            sums[clusters[index], default: (0, 0)].difference += (first[index] ? 1 : 0) - (second[index] ? 1 : 0)
            sums[clusters[index], default: (0, 0)].count += 1
        }
        let prompts = sums.sorted { $0.key < $1.key }.map(\.value)
        func share(_ sum: (difference: Int, count: Int)) -> Double {
            100 * Double(sum.difference) / Double(max(1, sum.count))
        }
        points = share(prompts.reduce(into: (0, 0)) { $0 = ($0.0 + $1.difference, $0.1 + $1.count) })
        var random = SplitMix64(seed: seed)
        let drawn = (0..<(prompts.isEmpty ? 0 : draws)).map { _ in
            var sum = (difference: 0, count: 0)
            for _ in prompts {
                let prompt = prompts[Int.random(in: 0..<prompts.count, using: &random)]
                sum = (sum.difference + prompt.difference, sum.count + prompt.count)
            }
            return share(sum)
        }.sorted()
        func percentile(_ share: Double) -> Double {
            drawn.isEmpty ? 0 : drawn[min(drawn.count - 1, Int(share * Double(drawn.count)))]
        }
        (low, high) = (percentile(0.025), percentile(0.975))
    }
}
