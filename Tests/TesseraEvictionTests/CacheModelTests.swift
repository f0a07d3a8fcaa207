// SPDX-License-Identifier: Apache-2.0

import TesseraEviction
import Testing

@Suite struct CacheModelTests {
    @Test func `hits and misses are counted by requests bytes and time`() {
        var model = CacheModel(.lru, PolicySettings(capacity: 100))
        model.request(object("a", bytes: 60, cost: 6), at: 0)
        model.request(object("a", bytes: 60, cost: 6, share: 0.5), at: 1)
        model.request(object("b", bytes: 40, cost: 1), at: 2)
        let counts = model.statistics
        #expect((counts.hits, counts.misses, counts.requests) == (1, 2, 3))
        #expect(counts.missRatio == 2.0 / 3)
        #expect(counts.byteMissRatio == 100.0 / 160)
        #expect(counts.timeSaved == 3.0 / 13)
        #expect((model.usedBytes, counts.bytesIn, counts.bytesOut) == (100, 100, 0))
    }

    @Test(arguments: PolicyKind.all) func `nothing is held without capacity`(_ policy: PolicyKind) {
        var cache = LetterCache(policy, 0)
        #expect(cache.ask("aabbab") == "aabbab")
        #expect(cache.model.usedBytes == 0)
    }

    @Test(arguments: PolicyKind.all) func `one byte holds one object`(_ policy: PolicyKind) {
        var cache = LetterCache(policy, 1)
        #expect(cache.ask("aaa") == "aAA")
        #expect(cache.model.usedBytes == 1)
    }

    @Test(arguments: PolicyKind.all) func `what is larger than the cache leaves everything in place`(
        _ policy: PolicyKind
    ) {
        var model = CacheModel(policy, PolicySettings(capacity: 10))
        model.request(object("a", bytes: 4), at: 0)
        #expect(model.request(object("b", bytes: 11), at: 1) == .oversized)
        #expect(model.holds(key("a")))
    }

    @Test func `time runs out`() {
        var cache = LetterCache(.lru, 4, rules: CacheRules(timeToLive: 3))
        #expect(cache.ask("aba") == "abA")
        // a came in at 1 and is gone at 4, though it was used since.
        #expect(cache.ask("a") == "a")
        #expect(cache.model.statistics.expired == 1)
    }

    @Test func `a tenant at its quota makes room among its own`() {
        var model = CacheModel(.lru, PolicySettings(capacity: 100), rules: CacheRules(quotas: [1: 20]))
        model.request(object("x", bytes: 10), at: 0)
        for (time, letter) in "abc".enumerated() {
            model.request(object(letter, bytes: 10, namespace: 1), at: Double(time + 1))
        }
        #expect(model.usedBytes(of: 1) == 20)
        #expect(model.holds(key("x")) && !model.holds(key("a")) && model.holds(key("c")))
        #expect(model.request(object("d", bytes: 21, namespace: 1), at: 9) == .oversized)
    }

    @Test(arguments: PolicyKind.all) func `quotas hold under every policy`(_ policy: PolicyKind) {
        var model = CacheModel(policy, PolicySettings(capacity: 60), rules: CacheRules(quotas: [1: 20]))
        for number in 0..<500 {
            let letter = Character(UnicodeScalar(UInt8(97 + number * number % 23)))
            let namespace = number * number % 23 % 2
            model.request(object(letter, bytes: 5, namespace: namespace), at: Double(number))
            #expect(model.usedBytes(of: 1) <= 20)
            #expect(model.usedBytes <= 60)
        }
        #expect(model.violations.isEmpty)
    }

    @Test func `admission waits for uses`() {
        var cache = LetterCache(.lru, 4, rules: CacheRules(admissionUses: 3))
        #expect(cache.ask("aabaab") == "aabaAb")
    }

    @Test func `an object of another size is a new one`() {
        var model = CacheModel(.lru, PolicySettings(capacity: 100))
        model.request(object("a", bytes: 10), at: 0)
        #expect(model.request(object("a", bytes: 30), at: 1) == .admitted)
        #expect((model.usedBytes, model.statistics.resized) == (30, 1))
    }

    @Test func `what is pinned stays as it is when it is asked for in another size`() {
        var model = CacheModel(.lru, PolicySettings(capacity: 100))
        model.request(object("a", bytes: 10), at: 0)
        model.pin(key("a"))
        #expect(model.request(object("a", bytes: 30), at: 1) == .refused)
        #expect(model.usedBytes == 10 && model.sparedBytes == 10)
        #expect(model.request(object("a", bytes: 10), at: 2) == .hit)
    }

    @Test(arguments: [PolicyKind.arc, .twoQueue, .s3fifo])
    func `two that were remembered are recognised though both are missed before either comes in`(
        _ kind: PolicyKind
    ) {
        // A live store does it so: what a prompt lacks is missed first, and comes in once the answer is out.
        func order(atOnce: Bool) -> [ObjectKey] {
            var policy = kind.make(PolicySettings(capacity: 40))
            func comeIn(_ keys: some Collection<ObjectKey>) {
                for key in keys { _ = policy.miss(CachedObject(key: key, bytes: 1), at: 0) }
                for key in keys { policy.insert(CachedObject(key: key, bytes: 1), at: 0) }
            }
            func leave(_ most: Int) -> [ObjectKey] {
                (0..<most).compactMap { _ in policy.victim(for: nil, at: 1, sparing: { _ in false })?.key }
            }
            for number in 0..<20 { comeIn([ObjectKey(UInt64(number))]) }
            let gone = leave(8).prefix(2)
            if atOnce { comeIn(gone) } else { gone.forEach { comeIn([$0]) } }
            return leave(20)
        }
        #expect(order(atOnce: true) == order(atOnce: false))
        // They are known: newcomers in their place would leave in another order.
        var policy = kind.make(PolicySettings(capacity: 40))
        for number in UInt64(0)..<20 where policy.miss(CachedObject(key: ObjectKey(number), bytes: 1), at: 0) {
            policy.insert(CachedObject(key: ObjectKey(number), bytes: 1), at: 0)
        }
        _ = (0..<8).map { _ in policy.victim(for: nil, at: 1, sparing: { _ in false }) }
        for number in [UInt64(100), 101] where policy.miss(CachedObject(key: ObjectKey(number), bytes: 1), at: 0) {
            policy.insert(CachedObject(key: ObjectKey(number), bytes: 1), at: 0)
        }
        let left = (0..<20).compactMap { _ in policy.victim(for: nil, at: 1, sparing: { _ in false })?.key }
        let strangers = left.indices.filter { left[$0].rawValue >= 100 }
        let known = order(atOnce: true)
        #expect(strangers.map { known[$0] } != [ObjectKey(0), ObjectKey(1)])
    }

    @Test func `objects that can't be demoted are not`() {
        let settings = PolicySettings(capacity: 40, seed: 1, demotion: Demotion(size: 0.5, loss: 0.1))
        var model = CacheModel(.value, settings)
        for (time, letter) in "abcdefgh".enumerated() {
            for _ in 0..<3 {
                model.request(
                    CachedObject(key: key(letter), bytes: 10, isDemotable: false), at: Double(time))
            }
        }
        #expect(model.statistics.demotions == 0 && model.statistics.evictions + model.statistics.refusals > 0)
        #expect(model.violations.isEmpty)
    }

    @Test func `keys that differ in their upper bits alone are told apart quickly`() {
        let hashes = (0..<4096).map { ObjectKey(UInt64($0) << 48)._rawHashValue(seed: 0) & 0xFFF }
        #expect(Set(hashes).count > 2000)
    }

    @Test func `leases hold until the last is released`() {
        var model = CacheModel(.lru, PolicySettings(capacity: 2))
        model.request(object("a"), at: 0)
        model.lease(key("a"))
        model.lease(key("a"))
        model.release(key("a"), at: 8)
        for (time, letter) in "bcd".enumerated() { model.request(object(letter), at: Double(time + 1)) }
        #expect(model.holds(key("a")))
        model.release(key("a"), at: 8)
        model.request(object("e"), at: 9)
        #expect(!model.holds(key("a")))
    }

    @Test(arguments: PolicyKind.all) func `a smaller capacity holds at once`(_ policy: PolicyKind) {
        var cache = LetterCache(policy, 8)
        cache.ask("abcdefgh")
        var model = cache.model
        model.pin(key("a"))
        model.resize(to: 3, at: 10)
        #expect(model.usedBytes <= 3 && model.holds(key("a")))
        model.resize(to: 0, at: 11)
        #expect(model.usedBytes == 1)
    }

    @Test func `demoted objects take less and save less`() {
        // Nothing was asked for again, so the loss of a tenth weighs less than the loss of all: all are demoted first.
        let settings = PolicySettings(capacity: 40, seed: 1, demotion: Demotion(size: 0.5, loss: 0.1))
        var model = CacheModel(.value, settings)
        for (time, letter) in "abcd".enumerated() { model.request(object(letter, bytes: 10), at: Double(time)) }
        model.request(object("e", bytes: 10), at: 4)
        model.request(object("e", bytes: 10), at: 5)
        #expect(model.statistics.demotions > 0 && model.statistics.evictions == 0)
        #expect(model.count == 5 && model.usedBytes <= 40)
        let before = model.statistics.savedCost
        for (time, letter) in "abcd".enumerated() { model.request(object(letter, bytes: 10), at: Double(6 + time)) }
        let saved = model.statistics.savedCost - before
        let demoted = Double(model.statistics.demotions)
        #expect(abs(saved - (40 - demoted)) < 1e-9)
    }
}
