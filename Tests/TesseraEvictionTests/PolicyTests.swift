// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import Testing

@testable import TesseraEviction

/// Each policy's choices on sequences that were worked out by hand.
@Suite struct PolicyTests {
    private func held(_ policy: PolicyKind, _ capacity: Int, after letters: String) -> String {
        var cache = LetterCache(policy, capacity)
        cache.ask(letters)
        return cache.held
    }

    @Test func `fifo gives up what came in first however used`() {
        #expect(held(.fifo, 3, after: "abcaaad") == "bcd")
    }

    @Test func `lru gives up what was not used for longest`() {
        #expect(held(.lru, 3, after: "abcad") == "acd")
    }

    @Test func `clock gives what was used a second chance`() {
        // The hand clears a's bit and takes b; the next one takes c, and a only then.
        #expect(held(.clock, 3, after: "abcad") == "acd")
        #expect(held(.clock, 3, after: "abcadef") == "def")
    }

    @Test func `sieve keeps survivors in their places`() {
        // The hand passes a, takes b and stays there: c is next, and a is met again only after a whole round.
        #expect(held(.sieve, 3, after: "abcad") == "acd")
        #expect(held(.sieve, 3, after: "abcade") == "ade")
        #expect(held(.sieve, 3, after: "abcadef") == "aef")
        #expect(held(.sieve, 3, after: "abcadefg") == "afg")
    }

    @Test func `lfu gives up what was used least and of equals the oldest`() {
        #expect(held(.lfu, 3, after: "aabbcd") == "abd")
        #expect(held(.lfu, 3, after: "abcd") == "bcd")
    }

    @Test func `ageing lets old favourites go`() {
        // a was used five times; each victim raises what newcomers begin at, until they have passed it.
        #expect(held(.lfu, 2, after: "aaaaabcdefghi") == "ai")
        #expect(held(.lfuda, 2, after: "aaaaabcdefghi") == "hi")
    }

    @Test func `two queue lets only what comes back into its main part`() {
        // Of eight bytes two are for newcomers. a leaves, is remembered, comes back, and survives a scan.
        var cache = LetterCache(.twoQueue, 8)
        cache.ask("abcdefghi")
        #expect(cache.held == "bcdefghi")
        cache.ask("a")
        cache.ask("jklmnop")
        #expect(cache.model.holds(key("a")))
    }

    @Test func `arc favours what was asked for twice`() {
        // a and b are in the list of those asked for more often, which a scan does not touch.
        #expect(held(.arc, 4, after: "ababcdefg").hasPrefix("ab"))
        // b leaves and is remembered. When it comes back, those asked for once are to have a byte more, and a goes.
        #expect(held(.arc, 2, after: "aabc") == "ac")
        #expect(held(.arc, 2, after: "aabcb") == "bc")
    }

    @Test func `s3fifo moves to its main queue what was used twice in the small one`() {
        // The first two fill the small queue (a tenth of 20 bytes), later ones the main queue while there is room.
        var cache = LetterCache(.s3fifo, 20)
        cache.ask("aabaabcdefghijklmnopqrst")
        cache.ask("uvwx")
        #expect(cache.model.holds(key("a")))
        #expect(!cache.model.holds(key("b")))
    }

    @Test func `w tiny lfu turns away what is asked for less than its rival`() {
        var cache = LetterCache(.wTinyLFU, 3)
        cache.ask("aabbcc")
        // A newcomer waits in the window, and loses against what was asked for twice.
        cache.ask("defgh")
        #expect(cache.held == "abh")
        // Asked for four times, it wins.
        cache.ask("hhhij")
        #expect(cache.held == "bhj")
    }

    @Test func `gdsf weighs frequency and cost against size`() {
        var model = CacheModel(.gdsf, PolicySettings(capacity: 100))
        model.request(object("a", bytes: 50, cost: 100), at: 0)  // worth 2 a byte
        model.request(object("b", bytes: 25, cost: 100), at: 1)  // 4
        model.request(object("c", bytes: 25, cost: 25), at: 2)  // 1
        model.request(object("d", bytes: 25, cost: 200), at: 3)  // 8
        #expect(!model.holds(key("c")) && model.holds(key("a")))
        // The rank of the last victim, 1, is added from now on: c comes in with 2 + 1.
        model.request(object("c", bytes: 25, cost: 50), at: 4)
        #expect(!model.holds(key("a")) && model.holds(key("c")))
    }

    @Test func `pgdsf averages what uses saved`() {
        // Both cost 10. Half of each use of a is paid again, b saves all; GDSF can't tell them apart and takes the older.
        func victim(_ policy: PolicyKind) -> Bool {
            var model = CacheModel(policy, PolicySettings(capacity: 2))
            model.request(object("b", cost: 10), at: 0)
            model.request(object("a", cost: 10, share: 0.5), at: 1)
            model.request(object("b", cost: 10), at: 2)
            model.request(object("a", cost: 10, share: 0.5), at: 3)
            model.request(object("c", cost: 10), at: 4)
            return model.holds(key("b"))
        }
        #expect(victim(.pgdsf))
        #expect(!victim(.gdsf))
    }

    @Test func `cache craft weighs uses by what they had to fix`() {
        var model = CacheModel(.cacheCraft, PolicySettings(capacity: 2))
        model.request(object("a"), at: 0)
        model.request(object("b"), at: 1)
        // Three uses that fixed all are worth less than one that fixed a tenth.
        for time in 2..<5 { model.request(object("a", share: 1), at: Double(time)) }
        model.request(object("b", share: 0.1), at: 5)
        model.request(object("c"), at: 6)
        #expect(!model.holds(key("a")) && model.holds(key("b")))
    }

    @Test func `an unknown policy is answered with the list`() throws {
        let error = #expect(throws: TesseraError.self) { try PolicyKind.named("mru") }
        #expect(error?.message.contains("mru") == true)
        for kind in PolicyKind.all { #expect(error?.message.contains(kind.name) == true) }
        #expect(try PolicyKind.named("S3FIFO").name == "s3fifo")
    }

    @Test(arguments: [PolicyKind.clock, .s3fifo, .sieve, .fifo, .lru])
    func `what is spared for a while keeps its place in the order`(_ kind: PolicyKind) {
        var policy = kind.make(PolicySettings(capacity: 10))
        for letter in "abcd" where policy.miss(object(letter), at: 0) { policy.insert(object(letter), at: 0) }
        let first = policy.victim(for: nil, at: 1) { $0 == key("a") }
        #expect(first == .evict(key("b")))
        let next = policy.victim(for: nil, at: 2) { _ in false }
        // SIEVE's hand has passed a.
        #expect(next == .evict(key(kind.name == "sieve" ? "c" : "a")))
    }

    @Test func `the lowest that is not spared is found among many that are`() {
        var objects = RankedObjects<Void>()
        for number in 0..<5000 { objects.add(ObjectKey(UInt64(number)), mark: (), rank: Double(number * 7919 % 5000)) }
        for spared in [0, 1, 10, 63, 64, 65, 4000, 4999] {
            let slot = objects.lowest { Int($0.rawValue) * 7919 % 5000 < spared }
            #expect(slot.map { objects.rank($0) } == Double(spared))
        }
        let none = objects.lowest { _ in true }
        #expect(none == nil)
    }

    @Test(arguments: PolicyKind.all) func `pinned objects stay`(_ policy: PolicyKind) {
        var cache = LetterCache(policy, 3)
        cache.ask("ab")
        cache.pin("a")
        cache.ask("cdefghijklmnop" + "cdcdcdcdefefefef")
        #expect(cache.model.holds(key("a")))
        #expect(cache.model.usedBytes <= 3)
        #expect(cache.model.violations.isEmpty)
    }
}
