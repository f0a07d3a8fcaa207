// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Reads the layers of one record and verifies each of them once. It holds a lease for as long as it lives.
final class LayerReader: Sendable {
    private let header: RecordHeader
    private let lease: SegmentLease

    /// - Throws: `notFound` when the record's segment is missing.
    init(_ header: RecordHeader, files: SegmentFiles) throws(TesseraError) {
        self.header = header
        lease = try files.lease(header.place.segment)
    }

    /// Reads layers that follow each other; nil when one isn't what the header says.
    func read(_ layers: Range<Int>, into pool: MemoryPool) throws(TesseraError) -> LayerBytes? {
        let range = header.range(of: layers)
        // Before memory is taken for what a header says.
        guard range.upperBound <= lease.file.byteCount else { return nil }
        let whole = ReadWindow(range)
        let memory = pool.take(whole.byteCount)
        var first = layers.lowerBound
        while first < layers.upperBound {
            let group = first..<endOfGroup(from: first, upTo: layers.upperBound)
            let window = ReadWindow(header.range(of: group))
            let start = window.offset - whole.offset
            let target = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[start..<start + window.byteCount])
            guard try lease.file.read(window, into: target) else { return nil }
            guard matches(group, UnsafeRawBufferPointer(target), from: window.skipped) else { return nil }
            first = group.upperBound
        }
        return LayerBytes(
            memory, skipping: whole.skipped, byteCounts: header.layers[layers].lazy.map(\.byteCount))
    }

    /// Layers are read one by one, to be verified while the processor's cache has them, except where one ends within a
    /// block: reading the next would read that block again, over bytes that have been verified.
    private func endOfGroup(from first: Int, upTo end: Int) -> Int {
        var next = first + 1
        while next < end, header.range(of: next..<next).lowerBound % RecordPlace.alignment != 0 { next += 1 }
        return next
    }

    private func matches(_ layers: Range<Int>, _ bytes: UnsafeRawBufferPointer, from skipped: Int) -> Bool {
        var start = skipped
        return header.layers[layers].allSatisfy { layer in
            defer { start += layer.byteCount }
            return checksum(UnsafeRawBufferPointer(rebasing: bytes[start..<start + layer.byteCount])) == layer.checksum
        }
    }
}
