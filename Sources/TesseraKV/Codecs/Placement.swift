// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Where the rows of a record go: slots of a layer of a buffer that follow each other, each with its rotation.
struct Placement {
    private let buffer: KVBuffer
    private let layer: Int
    private let slot: Int
    private let angles: RotaryAngles

    init(tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int, angles: RotaryAngles) {
        precondition(slot >= 0 && slot + tokens <= buffer.capacity, "slots beyond the buffer")
        precondition(angles.cosines.count == tokens * angles.pairs, "one rotation per token")
        precondition(2 * angles.pairs <= buffer.layout.headDimension, "no more pairs than a head has")
        self.buffer = buffer
        self.layer = layer
        self.slot = slot
        self.angles = angles
    }

    /// Widens and rotates the keys of some of the record's tokens.
    func placeKeys(_ keys: ck_stored, of tokens: Range<Int>) throws(TesseraError) {
        let layout = buffer.layout
        try rotating(tokens) { out, rotation in
            withUnsafePointer(to: keys) {
                ck_place_keys(out, $0, tokens.count, layout.heads, layout.headDimension, rotation)
            }
        }
    }

    /// Widens the values of some of the record's tokens.
    func placeValues(_ values: ck_stored, of tokens: Range<Int>) throws(TesseraError) {
        try still(tokens) { out, _ in
            withUnsafePointer(to: values) { ck_place_values(out, $0, tokens.count * buffer.layout.width) }
        }
    }

    /// Has the keys of some of the record's tokens placed, and rotated with these angles.
    ///
    /// - Parameter place: Writes them to where they belong; returns whether all are finite.
    func rotating(
        _ tokens: Range<Int>, _ place: (UnsafeMutablePointer<Float>, UnsafePointer<ck_rotation>) -> Bool
    ) throws(TesseraError) {
        guard let out = buffer.keys(of: layer).baseAddress else { return }
        let finite = angles.cosines.withUnsafeBufferPointer { cosines in
            angles.sines.withUnsafeBufferPointer { sines in
                let first = tokens.lowerBound * angles.pairs
                return withUnsafePointer(
                    to: ck_rotation(
                        cosines: cosines.baseAddress.map { $0 + first }, sines: sines.baseAddress.map { $0 + first },
                        pairs: angles.pairs, halves: angles.pairing == .halves)
                ) { place(out + (slot + tokens.lowerBound) * buffer.layout.width, $0) }
            }
        }
        guard finite else { throw .notFinite }
    }

    /// Has the values of some of the record's tokens placed, by a kernel that is given a rotation of no pairs.
    ///
    /// - Parameter place: Writes them to where they belong; returns whether all are finite.
    func still(
        _ tokens: Range<Int>, _ place: (UnsafeMutablePointer<Float>, UnsafePointer<ck_rotation>) -> Bool
    ) throws(TesseraError) {
        guard let out = buffer.values(of: layer).baseAddress else { return }
        let finite = withUnsafePointer(to: ck_rotation(cosines: nil, sines: nil, pairs: 0, halves: false)) {
            place(out + (slot + tokens.lowerBound) * buffer.layout.width, $0)
        }
        guard finite else { throw .notFinite }
    }
}

extension ck_stored {
    /// Numbers that are whole, or in planes.
    init(_ storage: ck_storage, _ numbers: UnsafeRawPointer, high: UnsafeRawPointer? = nil) {
        self.init(storage: storage, numbers: numbers, high: high, scales: nil, means: nil)
    }
}
