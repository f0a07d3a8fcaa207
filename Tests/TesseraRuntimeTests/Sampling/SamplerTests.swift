// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraRuntime
import Testing

@Suite struct `Drawing tokens` {
    /// Logits whose softmax is 0.1, 0.4, 0.1, 0.25, 0.15.
    private let logits = [0.1, 0.4, 0.1, 0.25, 0.15].map { Float(log($0)) }

    @Test func `greedy takes the most likely token, of equals the lowest id`() throws {
        var sampler = Sampler(.greedy)
        #expect(try sampler.next(after: [0, 3, 1, 3]) == 1)
        #expect(try sampler.next(after: [-5, -5, -5]) == 0)
        #expect(try sampler.next(after: [-.infinity, -2]) == 1)
    }

    @Test func `draws follow the softmax of logits over temperature`() throws {
        for (temperature, expected) in [(1.0, [0.1, 0.4, 0.1, 0.25, 0.15]), (0.5, squares), (2, roots)] {
            let shares = try self.shares(SamplingOptions(temperature: temperature, seed: 3))
            #expect(zip(shares, expected).allSatisfy { abs($0 - $1) < 0.01 })
        }
    }

    @Test func `the nucleus is the fewest tokens that make up the share`() throws {
        // 0.4 + 0.25 reach 0.6; the rest can't be drawn.
        let shares = try self.shares(SamplingOptions(temperature: 1, topP: 0.6, seed: 4))
        #expect(zip(shares, [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]).allSatisfy { abs($0 - $1) < 0.01 })
        // Of the two tokens with 0.1 the one with the lower id belongs to it.
        let wide = try self.shares(SamplingOptions(temperature: 1, topP: 0.89, seed: 5))
        #expect(wide[0] > 0 && wide[2] == 0)
        // A share below the most likely token's leaves that one.
        #expect(try self.shares(SamplingOptions(temperature: 1, topP: 0.01))[1] == 1)
    }

    @Test func `equal seeds give equal draws, others don't`() throws {
        func draws(_ seed: UInt64) throws -> [TokenID] {
            var sampler = Sampler(try SamplingOptions(temperature: 1, seed: seed))
            return try (0..<50).map { _ in try sampler.next(after: logits) }
        }
        #expect(try draws(1) == draws(1))
        #expect(try draws(1) != draws(2))
    }

    @Test(arguments: [
        (-0.1, 1.0), (.nan, 1), (.infinity, 1), (1, 0), (1, -1), (1, 1.01), (1, .nan),
    ])
    func `temperatures and shares out of range are refused`(temperature: Double, topP: Double) {
        let error = #expect(throws: TesseraError.self) { try SamplingOptions(temperature: temperature, topP: topP) }
        #expect(error?.code == .invalidInput)
    }

    @Test(arguments: [[Float](), [.nan, 1], [1, .nan], [.infinity, 1], [-.infinity, -.infinity]])
    func `logits that are not numbers are an error, not a token`(logits: [Float]) throws {
        for options in [SamplingOptions.greedy, try SamplingOptions(temperature: 1)] {
            var sampler = Sampler(options)
            let error = #expect(throws: TesseraError.self) { try sampler.next(after: logits) }
            #expect(error?.code == .corrupt)
        }
    }

    /// The softmax at temperature ½ and 2.
    private var squares: [Double] { normalised([0.01, 0.16, 0.01, 0.0625, 0.0225]) }
    private var roots: [Double] { normalised([0.1, 0.4, 0.1, 0.25, 0.15].map { $0.squareRoot() }) }

    private func normalised(_ weights: [Double]) -> [Double] { weights.map { $0 / weights.reduce(0, +) } }

    private func shares(_ options: SamplingOptions) throws -> [Double] {
        var sampler = Sampler(options)
        var counts = [Double](repeating: 0, count: logits.count)
        for _ in 0..<40_000 { counts[Int(try sampler.next(after: logits))] += 1 }
        return counts.map { $0 / 40_000 }
    }
}
