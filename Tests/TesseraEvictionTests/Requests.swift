// SPDX-License-Identifier: Apache-2.0

import TesseraEviction

/// A cache of unit-sized objects that are asked for by letters.
struct LetterCache {
    private(set) var model: CacheModel
    private var time = 0.0

    init(_ policy: PolicyKind, _ capacity: Int, seed: UInt64 = 1, rules: CacheRules = CacheRules()) {
        model = CacheModel(policy, PolicySettings(capacity: capacity, seed: seed), rules: rules)
    }

    /// Asks for objects one after the other.
    ///
    /// - Returns: A capital letter for each hit, a small one for each miss.
    @discardableResult
    mutating func ask(_ letters: String) -> String {
        String(
            letters.lowercased().map { letter in
                time += 1
                let outcome = model.request(object(letter), at: time)
                return outcome == .hit ? Character(letter.uppercased()) : letter
            })
    }

    /// The letters of the objects that are held, in alphabetical order.
    var held: String { String("abcdefghijklmnopqrstuvwxyz".filter { model.holds(key($0)) }) }

    mutating func pin(_ letter: Character) { model.pin(key(letter)) }

    mutating func unpin(_ letter: Character) { model.unpin(key(letter), at: time) }
}

func key(_ letter: Character) -> ObjectKey { ObjectKey(UInt64(letter.asciiValue ?? 0)) }

func object(_ letter: Character, bytes: Int = 1, cost: Double? = nil, share: Double = 0, namespace: Int = 0)
    -> CachedObject
{
    CachedObject(key: key(letter), bytes: bytes, cost: cost, share: share, namespace: namespace)
}
