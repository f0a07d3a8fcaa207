// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraReuse
import Testing

struct `rates learned from work` {
    @Test func `are those that made the times`() throws {
        var fit = RateFit(kinds: 3)
        var generator = SplitMix64(seed: 5)
        for _ in 0..<50 {
            let amounts = [
                1, Double.random(in: 10...1000, using: &generator), Double.random(in: 10...90_000, using: &generator),
            ]
            fit.add(amounts, seconds: 0.01 + 0.002 * amounts[1] + 1e-6 * amounts[2])
        }
        let rates = try #require(fit.rates)
        for (rate, right) in zip(rates, [0.01, 0.002, 1e-6]) { #expect(abs(rate / right - 1) < 1e-6) }
        #expect(abs(try #require(fit.seconds(for: [1, 100, 0])) - 0.21) < 1e-6)
    }

    @Test func `are never negative, and there are none before the first piece`() throws {
        var fit = RateFit(kinds: 2)
        #expect(fit.rates == nil)
        fit.add([1, 10], seconds: 5)
        fit.add([1, 20], seconds: 4)
        #expect(try #require(fit.rates).allSatisfy { $0 >= 0 })
    }

    @Test func `follow a machine that became slower`() throws {
        var fit = RateFit(kinds: 1)
        for _ in 0..<100 { fit.add([1], seconds: 1) }
        for _ in 0..<200 { fit.add([1], seconds: 2) }
        #expect(abs(try #require(fit.rates?.first) - 2) < 0.1)
    }

    @Test func `a prompt's work counts the rows of each layer and the keys that they see`() {
        let work = PrefillWork(rows: [10, 4], keys: 10)
        #expect(work.rowLayers == 14)
        #expect(work.pairs == 10 * 5 + 4 * 8)
    }

    @Test func `estimates come after three pieces, and loading nothing is free`() {
        var rates = MachineRates()
        #expect(!rates.canEstimate)
        for rows in [10, 20, 30] { rates.learn(PrefillWork(rows: [rows], keys: rows), seconds: Double(rows)) }
        #expect(rates.canEstimate)
        #expect(rates.seconds(for: LoadWork(records: 0, bytes: 0)) == 0)
        #expect(rates.seconds(for: LoadWork(records: 1, bytes: 9)) == nil)
        rates.learn(LoadWork(records: 2, bytes: 2000), seconds: 2)
        #expect(rates.seconds(for: LoadWork(records: 1, bytes: 1000)) == 1)
    }

    @Test func `the fastest way wins, the more exact one of equals`() {
        let estimates = [
            PathEstimate(path: .prefix, load: 1, compute: 2), PathEstimate(path: .stitched, load: 2, compute: 1),
            PathEstimate(path: .full, load: 0, compute: 4),
        ]
        #expect(fastest(estimates)?.path == .prefix)
        #expect(fastest([]) == nil)
    }
}
