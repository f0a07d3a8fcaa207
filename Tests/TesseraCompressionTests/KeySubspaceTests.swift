// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraCompression

struct `the subspace of a frame's keys` {
    static let bases = GUIKVPress.Basis.allCases

    func norm(_ key: some Sequence<Float>) -> Double { key.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }

    @Test(arguments: PressGoldens.all.residuals.map(\.basis), [false, true])
    func `leaves of other keys what it leaves in float64`(_ basis: GUIKVPress.Basis, _ rotated: Bool) throws {
        let goldens = PressGoldens.all
        let golden = try #require(goldens.residuals.first { $0.basis == basis && $0.rotated == rotated })
        let frames = goldens.frames.map { $0[0]..<$0[1] }
        for (view, heads) in zip(goldens.views(of: "grouped", budget: 24), golden.residuals) {
            let keys = rotated ? view.keys : view.unrotatedKeys()
            for (head, right) in heads.enumerated() {
                let rows = view.rows(keys, head)
                let patches = frames.map { Array(rows[$0.lowerBound * 8..<$0.upperBound * 8]) }
                let subspace = try KeySubspace(patches[2], dimension: 8, rank: golden.rank, basis: basis)
                let found = subspace.residuals(patches[0] + patches[1])
                #expect(found.count == right.count && zip(found, right).allSatisfy { abs($0 - $1) < 2e-6 })
            }
        }
    }

    @Test(arguments: bases) func `leaves nothing of the keys that span it, and of no key more than there is`(
        _ basis: GUIKVPress.Basis
    ) throws {
        var random = SplitMix64(seed: 31)
        for _ in 0..<30 {
            let (count, dimension) = (Int.random(in: 1...20, using: &random), Int.random(in: 1...12, using: &random))
            let rank = Int.random(in: 1...16, using: &random)
            let keys = random.floats(count * dimension, scale: 3)
            let subspace = try KeySubspace(keys, dimension: dimension, rank: rank, basis: basis)
            let own = subspace.residuals(keys)
            let spanned = basis == .firstKeys ? min(rank, count) : rank >= min(count, dimension) ? count : 0
            #expect(own.prefix(spanned).allSatisfy { $0 < 1e-6 })
            let others = random.floats(9 * dimension, scale: 3)
            for (rest, start) in zip(subspace.residuals(others), stride(from: 0, to: others.count, by: dimension)) {
                #expect(rest >= 0 && rest <= norm(others[start..<start + dimension]) * (1 + 1e-12))
            }
        }
    }

    @Test func `of singular vectors leaves least of all keys together`() throws {
        var random = SplitMix64(seed: 32)
        let keys = random.floats(24 * 10)
        let left = try Self.bases.map { basis in
            try KeySubspace(keys, dimension: 10, rank: 3, basis: basis).residuals(keys).reduce(0) { $0 + $1 * $1 }
        }
        #expect(left[0] < left[1] && left[0] < left[2])
    }

    @Test(arguments: bases) func `has no more dimensions than the keys: equal patches span one`(
        _ basis: GUIKVPress.Basis
    ) throws {
        let keys = Array(repeating: [Float](arrayLiteral: 2, 0, 0, 0), count: 6).flatMap { $0 }
        let subspace = try KeySubspace(keys, dimension: 4, rank: 4, basis: basis)
        #expect(
            subspace.residuals([5, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0]).map { Float($0) } == [0, 3, 1, 1])
        // Twice the same key first, and a third of another direction.
        let mixed = try KeySubspace(keys.prefix(8) + [1, 1, 0, 0], dimension: 4, rank: 3, basis: basis)
        #expect(zip(mixed.residuals([0, 7, 0, 0, 0, 0, 2, 0]), [0, 2]).allSatisfy { abs($0 - $1) < 1e-9 })
    }

    @Test(arguments: bases) func `of zeros is empty and leaves keys whole; of huge keys it stays finite`(
        _ basis: GUIKVPress.Basis
    ) throws {
        let zero = try KeySubspace([0, 0, 0, 0, 0, 0], dimension: 3, rank: 2, basis: basis)
        #expect(zero.residuals([0, 3, 4]) == [5])
        #expect(zero.residuals([]) == [])
        let largest = Float.greatestFiniteMagnitude
        let huge = try KeySubspace([largest, 0, 0, 0, largest, 0], dimension: 3, rank: 2, basis: basis)
        let rests = huge.residuals([largest, largest, largest])
        #expect(abs(rests[0] / Double(largest) - 1) < 1e-9)
    }
}
