// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import Testing

struct Identity {
    static let base = Fingerprint(
        architecture: "llama", weights: Digest256(of: Data("w".utf8)), tokenizer: Digest256(of: Data("t".utf8)),
        rotary: RotaryTable(dimensions: 8, base: 10_000, pairing: .interleaved),
        layout: KVLayout(layers: 2, heads: 1, headDimension: 8), precision: "bf16", recipe: [1])

    /// One changed copy for each field of a fingerprint.
    static let changed: [(String, Fingerprint)] = {
        func change(_ name: String, _ edit: (inout Fingerprint) -> Void) -> (String, Fingerprint) {
            var copy = base
            edit(&copy)
            return (name, copy)
        }
        return [
            change("architecture") { $0.architecture = "qwen2" },
            change("weights") { $0.weights = Digest256(of: Data("x".utf8)) },
            change("tokenizer") { $0.tokenizer = Digest256(of: Data("x".utf8)) },
            change("adapter") { $0.adapter = Digest256(of: Data("x".utf8)) },
            change("rotary") { $0.rotary = RotaryTable(dimensions: 8, base: 500_000, pairing: .interleaved) },
            change("rotary") { $0.rotary = RotaryTable(dimensions: 8, base: 10_000, pairing: .halves) },
            change("rotary") {
                $0.rotary = RotaryTable(frequencies: base.rotary.frequencies, pairing: .interleaved, magnitude: 1.1)
            },
            change("layout") { $0.layout = KVLayout(layers: 2, heads: 2, headDimension: 4) },
            change("precision") { $0.precision = "fp32" },
            change("recipe") { $0.recipe = [1, 2] },
        ]
    }()

    @Test func `SHA-256 equals the published vector`() {
        #expect(
            Digest256(of: Data("abc".utf8)).description
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test(arguments: changed) func `any changed field makes another key and is named`(name: String, other: Fingerprint)
    {
        #expect(Self.base.digest != other.digest)
        #expect(Self.base.differences(from: other) == [name])
        let tokens: [TokenID] = [5, 6, 7]
        #expect(
            ChunkKey(fingerprint: Self.base.digest, namespace: "", chunk: tokens)
                != ChunkKey(fingerprint: other.digest, namespace: "", chunk: tokens))
    }

    @Test func `keys differ by namespace, ids and kind, and by nothing else`() {
        let digest = Self.base.digest
        let key = ChunkKey(fingerprint: digest, namespace: "a", chunk: [1, 2])
        #expect(key == ChunkKey(fingerprint: Self.base.digest, namespace: "a", chunk: [1, 2]))
        #expect(key != ChunkKey(fingerprint: digest, namespace: "b", chunk: [1, 2]))
        #expect(key != ChunkKey(fingerprint: digest, namespace: "a", chunk: [2, 1]))
        #expect(key != ChunkKey(fingerprint: digest, namespace: "a", chunk: [1, 2, 0]))
        #expect(key != ChunkKey(fingerprint: digest, namespace: "a", prefix: [1, 2]))
    }

    @Test func `variants' keys differ by what they stand behind, its order and its count, and by all else`() {
        let digest = Self.base.digest
        func key(_ behind: [ChunkKey], namespace: String = "a", tokens: [TokenID] = [1, 2]) -> ChunkKey {
            ChunkKey(fingerprint: digest, namespace: namespace, chunk: tokens, behind: behind)
        }
        let one = ChunkKey(fingerprint: digest, namespace: "a", chunk: [3])
        let two = ChunkKey(fingerprint: digest, namespace: "a", chunk: [4])
        let keys = [
            key([]), key([one]), key([two]), key([one, two]), key([two, one]), key([one, one]),
            key([one], namespace: "b"), key([one], tokens: [2, 1]),
            ChunkKey(fingerprint: Digest256(of: Data("x".utf8)), namespace: "a", chunk: [1, 2], behind: [one]),
            ChunkKey(fingerprint: digest, namespace: "a", chunk: [1, 2]),
        ]
        #expect(Set(keys).count == keys.count)
        #expect(key([one, two]) == key([one, two]))
    }

    @Test func `equal fingerprints have no differences`() {
        #expect(Self.base.differences(from: Self.base).isEmpty)
    }
}
