// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// An atomic number with a fraction, kept as its bits.
extension Atomic<UInt64> {
    /// The number.
    var double: Double { Double(bitPattern: load(ordering: .relaxed)) }

    /// Puts another number in its place.
    func store(_ value: Double) {
        store(value.bitPattern, ordering: .relaxed)
    }

    /// Adds to the number; what many threads add at once is all in the sum. A sum stays finite.
    func add(_ amount: Double) {
        update { bits in
            let sum = Double(bitPattern: bits) + amount
            let most = Double.greatestFiniteMagnitude
            return (sum.isInfinite ? (sum < 0 ? -most : most) : sum).bitPattern
        }
    }

    /// Computes the next bits from the present ones, again while other threads were faster.
    func update(_ next: (UInt64) -> UInt64) {
        var present = load(ordering: .relaxed)
        while true {
            let (exchanged, original) = weakCompareExchange(
                expected: present, desired: next(present), ordering: .relaxed)
            if exchanged { return }
            present = original
        }
    }
}
