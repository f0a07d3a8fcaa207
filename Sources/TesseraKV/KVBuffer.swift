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
/// `@unchecked Sendable` because one thread computes layer l while another fills cached rows of layers above l: the two
/// never touch the same rows, and positions are set before either begins.
public final class KVBuffer: @unchecked Sendable {
    /// The shape of keys and values.
    public let layout: KVLayout
    /// The number of slots.
    public let capacity: Int
    /// The position of each slot.
    public private(set) var positions: [Int32]

    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int

    /// Makes a zeroed buffer; slot i has position i.
    ///
    /// - Parameters:
    ///   - layout: The shape of keys and values.
    ///   - capacity: The number of slots; prompt and answer must fit.
    /// - Throws: ``TesseraError`` of code `full` when the memory can't be had.
    public init(layout: KVLayout, capacity: Int) throws(TesseraError) {
        precondition(capacity > 0, "a KV buffer has at least one slot")
        let (perLayer, tooWide) = (2 * layout.width * MemoryLayout<Float>.stride).multipliedReportingOverflow(
            by: capacity)
        let (total, tooLarge) = perLayer.multipliedReportingOverflow(by: layout.layers)
        let map =
            tooWide || tooLarge
            ? MAP_FAILED : mmap(nil, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let map, map != MAP_FAILED else {
            throw TesseraError(.full, "no memory for the KV of \(capacity) tokens; ask for a shorter prompt or answer")
        }
        madvise(map, total, MADV_HUGEPAGE)
        self.layout = layout
        self.capacity = capacity
        positions = Array(0..<Int32(capacity))
        memory = map
        byteCount = total
    }

    deinit {
        munmap(memory, byteCount)
    }

    /// Gives the slots from `slot` on these positions.
    public func setPositions(_ new: some Collection<Int32>, from slot: Int) {
        precondition(slot >= 0 && slot + new.count <= capacity, "positions beyond the buffer")
        positions.replaceSubrange(slot..<slot + new.count, with: new)
    }

    /// The keys of a layer, (slot, KV head, dimension), RoPE applied. The pointer lives as long as the buffer.
    package func keys(of layer: Int) -> UnsafeMutableBufferPointer<Float> {
        array(2 * layer)
    }

    /// The values of a layer, (slot, KV head, dimension). The pointer lives as long as the buffer.
    package func values(of layer: Int) -> UnsafeMutableBufferPointer<Float> {
        array(2 * layer + 1)
    }

    /// A copy of the keys and values of some slots of a layer, for observers, captures and tests.
    public func rows(_ slots: Range<Int>, of layer: Int) -> (keys: [Float], values: [Float]) {
        precondition(slots.lowerBound >= 0 && slots.upperBound <= capacity, "slots beyond the buffer")
        let range = slots.lowerBound * layout.width..<slots.upperBound * layout.width
        return (Array(keys(of: layer)[range]), Array(values(of: layer)[range]))
    }

    private func array(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(index >= 0 && index < 2 * layout.layers, "layer beyond the model")
        let count = capacity * layout.width
        let start = memory.assumingMemoryBound(to: Float.self) + index * count
        return UnsafeMutableBufferPointer(start: start, count: count)
    }
}
