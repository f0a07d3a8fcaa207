// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@testable import TesseraEviction

@Suite struct ReuseModelTests {
    /// Histories of objects under requests drawn by fixed probabilities.
    private func learned(
        _ probabilities: [Double], requests: Int
    ) -> (model: ReuseModel, histories: [ReuseModel.History]) {
        var model = ReuseModel()
        var histories = Array(repeating: ReuseModel.History(), count: probabilities.count)
        var random = SplitMix64(seed: 4)
        for _ in 0..<requests {
            var (level, chosen) = (Double(random.next() >> 11) * 0x1p-53, 0)
            while chosen + 1 < probabilities.count, level >= probabilities[chosen] {
                level -= probabilities[chosen]
                chosen += 1
            }
            model.request(&histories[chosen])
        }
        return (model, histories)
    }

    @Test func `lasting popularity is estimated as it is`() {
        let (model, histories) = learned([0.4, 0.3, 0.2, 0.1], requests: 50_000)
        let outlook = model.outlook(100)
        let sum = histories.reduce(0) { $0 + outlook.reuses($1) }
        #expect(abs(sum - 100) < 25)
        for (history, share) in zip(histories, [0.4, 0.3, 0.2, 0.1]) {
            #expect(abs(outlook.reuses(history) / sum - share) < 0.05)
        }
    }

    @Test func `what is not asked for any more fades once that is seen to happen`() {
        // Objects live for 300 requests; then others take their places.
        var model = ReuseModel()
        var histories = Array(repeating: ReuseModel.History(), count: 1000)
        for request in 0..<30_000 { model.request(&histories[request / 300 * 10 % 1000 + request % 10]) }
        let outlook = model.outlook(100)
        let living = (0..<10).map { outlook.reuses(histories[29_999 / 300 * 10 % 1000 + $0]) }.reduce(0, +)
        let former = (0..<10).map { outlook.reuses(histories[27_000 / 300 * 10 % 1000 + $0]) }.reduce(0, +)
        #expect(living > 20 * former)
    }

    @Test func `what is forgotten leaves the sums`() {
        var model = ReuseModel()
        var (kept, gone) = (ReuseModel.History(), ReuseModel.History())
        for _ in 0..<100 {
            model.request(&kept)
            model.request(&gone)
        }
        let before = model.outlook(10).reuses(kept)
        model.forget(gone)
        // Half of all requests were the other's; without them the share is twice as large.
        #expect(abs(model.outlook(10).reuses(kept) / before - 2) < 0.05)
    }

    @Test func `an object that was never asked for expects nothing`() {
        let (model, _) = learned([0.5, 0.5], requests: 1000)
        #expect(model.outlook(100).reuses(ReuseModel.History()) == 0)
    }

    @Test func `a longer horizon expects more`() {
        let (model, histories) = learned([0.5, 0.5], requests: 5000)
        let expected = [1.0, 10, 100, 1000].map { model.outlook($0).reuses(histories[0]) }
        #expect(expected == expected.sorted())
        #expect(abs(expected[0] - 0.5) < 0.1)
    }
}

/// What the sketch of frequencies promises.
@Suite struct FrequencySketchTests {
    @Test func `popular keys count higher and none above fifteen`() {
        var sketch = FrequencySketch()
        for round in 0..<40 {
            for key in 0..<200 where key < 20 || round < 2 { sketch.add(ObjectKey(UInt64(key)), holding: 200) }
        }
        #expect((0..<20).allSatisfy { sketch.frequency(of: ObjectKey($0)) >= 5 })
        #expect((0..<200).allSatisfy { sketch.frequency(of: ObjectKey($0)) <= 15 })
        let rare = (100..<200).map { sketch.frequency(of: ObjectKey($0)) }.reduce(0, +)
        #expect(rare < 300)
    }

    @Test func `growing keeps what was counted`() {
        var sketch = FrequencySketch()
        for _ in 0..<6 { sketch.add(ObjectKey(7), holding: 10) }
        sketch.add(ObjectKey(8), holding: 4000)
        #expect(sketch.frequency(of: ObjectKey(7)) >= 6)
    }

    @Test func `what was long ago is halved`() {
        var sketch = FrequencySketch()
        for _ in 0..<12 { sketch.add(ObjectKey(7), holding: 32) }
        for key in 0..<700 { sketch.add(ObjectKey(UInt64(1000 + key)), holding: 32) }
        #expect(sketch.frequency(of: ObjectKey(7)) <= 6)
    }
}
