// SPDX-License-Identifier: Apache-2.0

import CKernels
import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

let hasBF16 = ck_isa_detected() == CK_ISA_AVX512_BF16

extension CPUEngine {
    /// A buffer of this model's shape.
    func buffer(_ capacity: Int) throws -> KVBuffer {
        try KVBuffer(layout: model.layout, capacity: capacity)
    }

    /// A prefill of a whole prompt into a buffer of its own.
    func prefill(
        _ tokens: [TokenID], logits: PartialPrefill.Logits, observer: (any LayerObserver)? = nil
    ) throws -> PrefillOutput {
        try prefill(tokens, at: Array(tokens.indices), over: buffer(tokens.count), logits: logits, observer: observer)
    }

    /// A prefill of these tokens in these slots; all slots up to the last can be seen, or up to `keyCount`.
    @discardableResult func prefill(
        _ tokens: [TokenID], at slots: [Int], over buffer: KVBuffer, keyCount: Int? = nil,
        logits: PartialPrefill.Logits, observer: (any LayerObserver)? = nil
    ) throws -> PrefillOutput {
        let keyCount = keyCount ?? (slots.last ?? -1) + 1
        return try prefill(
            PartialPrefill(input: .tokens(tokens), slots: slots, keyCount: keyCount, logits: logits), over: buffer,
            observer: observer)
    }

    /// The most likely token, over and over.
    func greedyText(after prompt: [TokenID], count: Int) throws -> [TokenID] {
        let buffer = try buffer(prompt.count + count)
        var logits = try prefill(prompt, at: Array(prompt.indices), over: buffer, logits: .last).logits
        var text: [TokenID] = []
        while text.count < count {
            let best = logits.indices.max { logits[$0] < logits[$1] } ?? 0
            text.append(TokenID(best))
            let slot = prompt.count + text.count - 1
            logits = try prefill([TokenID(best)], at: [slot], over: buffer, logits: .last).logits
        }
        return text
    }
}

/// ‖a − b‖ / ‖b‖
func relativeDifference<A: BinaryFloatingPoint, B: BinaryFloatingPoint>(
    _ a: some Collection<A>, _ b: some Collection<B>
) -> Double {
    guard a.count == b.count else { return .infinity }
    let squares = zip(a, b).reduce((difference: 0.0, norm: 0.0)) { sums, pair in
        let difference = Double(pair.0) - Double(pair.1)
        return (sums.difference + difference * difference, sums.norm + Double(pair.1) * Double(pair.1))
    }
    return (squares.difference / squares.norm).squareRoot()
}

/// Expects two buffers to hold the same in all slots.
func expectSameKV(_ a: KVBuffer, _ b: KVBuffer) {
    for layer in 0..<a.layout.layers {
        let (left, right) = (a.rows(0..<a.capacity, of: layer), b.rows(0..<b.capacity, of: layer))
        #expect(largestDifference(left.keys, right.keys) < 1e-4)
        #expect(largestDifference(left.values, right.values) < 1e-4)
    }
}
