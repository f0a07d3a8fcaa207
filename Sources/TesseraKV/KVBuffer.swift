// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// The private keys and values of one request: fp32, keys with RoPE applied, in every layer an array of shape
/// (slot, KV head, dimension) for keys and one for values.
///
/// Stored KV is copied in and never written in place elsewhere. A slot is a place in the buffer; its position is what
/// the model rotates and masks by. The memory is zero at first and is handed to the kernel's huge pages, because
/// faulting hundreds of megabytes in 4 KiB steps costs more than filling them.
///
/// Where a press left tokens out (``init(keeping:of:room:)``), a layer has fewer rows than there are slots. The slots
/// behind the pressed ones have rows of their own in every layer, as before; the pressed ones can only be attended to.
///
/// `@unchecked Sendable` because one thread computes layer l while another fills cached rows of layers above l: the two
/// never touch the same rows, and positions are set before either begins.
public final class KVBuffer: @unchecked Sendable {
    /// The shape of keys and values.
    public let layout: KVLayout
    /// The number of slots.
    public let capacity: Int
    /// The position of each slot.
    public private(set) var positions: [Int32]
    /// The slots that were pressed, all of the first; 0 for a whole buffer.
    public let pressed: Int
    /// The bytes that keys and values take.
    public let byteCount: Int

    private let memory: UnsafeMutableRawPointer
    /// For each layer, how many rows it has less than there are slots.
    private let dropped: [Int]
    /// For each layer, the first number of its keys.
    private let starts: [Int]
    /// The position of each layer's rows; empty for a whole buffer, whose rows are its slots.
    private var rowPositions: [[Int32]]

    /// Makes a zeroed buffer; slot i has position i.
    ///
    /// - Parameters:
    ///   - layout: The shape of keys and values.
    ///   - capacity: The number of slots; prompt and answer must fit.
    /// - Throws: ``TesseraError`` of code `full` when the memory can't be had.
    public convenience init(layout: KVLayout, capacity: Int) throws(TesseraError) {
        try self.init(
            layout: layout, positions: Array(0..<Int32(clamping: capacity)), pressed: 0,
            dropped: Array(repeating: 0, count: layout.layers), rowPositions: [])
    }

    /// Makes a zeroed buffer.
    ///
    /// - Parameters:
    ///   - positions: That of each slot.
    ///   - pressed: The slots that rows are missing of.
    ///   - dropped: For each layer, the rows that are missing.
    ///   - rowPositions: For each layer the positions of its rows; empty where none are missing.
    init(
        layout: KVLayout, positions: [Int32], pressed: Int, dropped: [Int], rowPositions: [[Int32]]
    ) throws(TesseraError) {
        precondition(!positions.isEmpty, "a KV buffer has at least one slot")
        let (perRow, tooWide) = (2 * layout.width).multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
        let rows = dropped.reduce(0) { $0 + positions.count - $1 }
        let (total, tooLarge) = perRow.multipliedReportingOverflow(by: rows)
        let map =
            tooWide || tooLarge
            ? MAP_FAILED : mmap(nil, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let map, map != MAP_FAILED else {
            throw TesseraError(
                .full, "no memory for the KV of \(positions.count) tokens; ask for a shorter prompt or answer")
        }
        madvise(map, total, MADV_HUGEPAGE)
        self.layout = layout
        capacity = positions.count
        self.positions = positions
        self.pressed = pressed
        self.dropped = dropped
        self.rowPositions = rowPositions
        starts = dropped.indices.map { layer in
            dropped[..<layer].reduce(0) { $0 + 2 * layout.width * (positions.count - $1) }
        }
        memory = map
        byteCount = total
    }

    deinit {
        munmap(memory, byteCount)
    }

    /// Gives the slots from `slot` on these positions.
    public func setPositions(_ new: some Collection<Int32>, from slot: Int) {
        precondition(slot >= 0 && slot + new.count <= capacity, "positions beyond the buffer")
        precondition(slot >= pressed, "the positions of pressed slots are settled")
        positions.replaceSubrange(slot..<slot + new.count, with: new)
        for layer in rowPositions.indices {
            let row = slot - dropped[layer]
            rowPositions[layer].replaceSubrange(row..<row + new.count, with: new)
        }
    }

    /// The row of a slot in a layer. Of pressed slots only the end of all has one: it is where the others' begin.
    package func row(of slot: Int, in layer: Int) -> Int {
        precondition(slot >= pressed || pressed == 0, "a pressed slot has no row of its own")
        return slot - dropped[layer]
    }

    /// The rows of some slots in a layer: pressed ones all together, or none of them.
    package func rows(of slots: Range<Int>, in layer: Int) -> Range<Int> {
        let first = slots.lowerBound == 0 ? 0 : row(of: slots.lowerBound, in: layer)
        return first..<row(of: slots.upperBound, in: layer)
    }

    /// The position of each row of a layer. KV heads that keep different tokens share what is stated for a row: the
    /// highest, which is no matter to rows that stand behind them all.
    package func positions(of layer: Int) -> [Int32] {
        rowPositions.isEmpty ? positions : rowPositions[layer]
    }

    /// The keys of a layer, (row, KV head, dimension), RoPE applied. The pointer lives as long as the buffer.
    package func keys(of layer: Int) -> UnsafeMutableBufferPointer<Float> {
        array(layer, half: 0)
    }

    /// The values of a layer, (row, KV head, dimension). The pointer lives as long as the buffer.
    package func values(of layer: Int) -> UnsafeMutableBufferPointer<Float> {
        array(layer, half: 1)
    }

    /// A copy of the keys and values of some slots of a layer, for observers, captures and tests. Pressed slots can be had
    /// only all together, and then it is the rows that are left.
    public func rows(_ slots: Range<Int>, of layer: Int) -> (keys: [Float], values: [Float]) {
        precondition(slots.lowerBound >= 0 && slots.upperBound <= capacity, "slots beyond the buffer")
        let rows = rows(of: slots, in: layer)
        let range = rows.lowerBound * layout.width..<rows.upperBound * layout.width
        return (Array(keys(of: layer)[range]), Array(values(of: layer)[range]))
    }

    private func array(_ layer: Int, half: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(layer >= 0 && layer < layout.layers, "layer beyond the model")
        let count = (capacity - dropped[layer]) * layout.width
        let start = memory.assumingMemoryBound(to: Float.self) + starts[layer] + half * count
        return UnsafeMutableBufferPointer(start: start, count: count)
    }
}
