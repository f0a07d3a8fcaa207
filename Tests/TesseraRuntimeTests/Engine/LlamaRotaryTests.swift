// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraRuntime
import Testing

@Suite struct `Rotation of llama models` {
    private func rotary(_ metadata: [String: GGUFValue], factors: [Float]? = nil) throws -> RotaryTable {
        var fixture = LlamaFixture()
        for (key, value) in metadata { fixture.metadata["llama.rope." + key] = value }
        if let factors {
            fixture.tensors["rope_freqs.weight"] = (.f32, [factors.count])
            fixture.values["rope_freqs.weight"] = factors
        }
        return try fixture.engine().model.rotary
    }

    private func expect(_ table: RotaryTable, _ expected: [Double]) {
        #expect(table.pairing == .interleaved)
        #expect(table.frequencies.count == expected.count)
        #expect(zip(table.frequencies, expected).allSatisfy { abs(Double($0) - $1) <= 1e-6 * $1 })
    }

    private let plain = (0..<8).map { pow(10_000, -Double($0) / 8) }

    @Test func `plain frequencies fall from one by powers of the base`() throws {
        expect(try rotary([:]), plain)
        expect(try rotary(["freq_base": .float32(500_000)]), (0..<8).map { pow(500_000, -Double($0) / 8) })
    }

    @Test func `partial rotation counts its own dimensions`() throws {
        expect(try rotary(["dimension_count": .uint32(8)]), (0..<4).map { pow(10_000, -Double($0) / 4) })
    }

    @Test func `linear scaling divides, with the type named or not, by either key`() throws {
        let quarter = plain.map { $0 / 4 }
        expect(try rotary(["scaling.type": .string("linear"), "scaling.factor": .float32(4)]), quarter)
        expect(try rotary(["scaling.factor": .float32(4)]), quarter)
        expect(try rotary(["scale_linear": .float32(4)]), quarter)
        expect(try rotary(["scaling.type": .string("none"), "scaling.factor": .float32(4)]), plain)
    }

    @Test func `the factors of Llama 3 divide each its own frequency`() throws {
        let factors: [Float] = [1, 1, 1, 1.5, 2, 4, 8, 8]
        expect(try rotary([:], factors: factors), zip(plain, factors).map { $0 / Double($1) })
        #expect(throws: TesseraError.self) { try rotary([:], factors: [1, 1, 1, 0, 1, 1, 1, 1]) }
        #expect(throws: TesseraError.self) { try rotary([:], factors: [1, 1]) }
    }

    @Test func `YaRN interpolates by turns and raises the magnitude`() throws {
        let table = try rotary([
            "scaling.type": .string("yarn"), "scaling.factor": .float32(4),
            "scaling.original_context_length": .uint32(2048),
        ])
        // Pairs that make 32 turns and 1 turn in 2,048 positions: 16 ln(2048 / 2πt) / (2 ln 10000) = 2.01 and 5.03.
        let expected = plain.enumerated().map { index, frequency in
            let kept = 1 - min(1, max(0, (Double(index) - 2) / (6 - 2)))
            return frequency * kept + frequency / 4 * (1 - kept)
        }
        expect(table, expected)
        #expect(abs(table.magnitude - (1 + 0.1 * logf(4))) < 1e-6)
    }
}
