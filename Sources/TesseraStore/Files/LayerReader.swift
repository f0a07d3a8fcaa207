// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Reads the layers of one record, verifies each of them once, and opens it where the store is encrypted. It holds a lease for as long as it lives.
final class LayerReader: Sendable {
    /// Layers that are read together, because they share blocks.
    let groups: [Range<Int>]
    private let chunk: StoredChunk
    private let cipher: StoreCipher?
    /// Where each layer lies, counted from the record's beginning.
    private let places: [Range<Int>]
    private let lease: SegmentLease

    /// - Throws: `notFound` when the record's segment is missing or ends before the record does.
    init(_ chunk: StoredChunk, _ session: StoreSession) throws(TesseraError) {
        self.chunk = chunk
        cipher = session.database.cipher
        places = chunk.header.layerRanges
        groups = Self.groups(places)
        lease = try session.files.lease(chunk.header.place.segment)
        guard Int(chunk.header.place.offset) + chunk.header.extent <= lease.file.byteCount else {
            throw TesseraError(.notFound, "the file of layers ends before the record does")
        }
    }

    private var header: RecordHeader { chunk.header }

    /// Reads layers that follow each other; nil when one isn't what the header says.
    func read(_ layers: Range<Int>, from pool: MemoryPool) throws(TesseraError) -> LayerBytes? {
        let first = group(of: layers.lowerBound).lowerBound
        let last = group(of: layers.upperBound - 1).upperBound
        let all = first..<last
        let memory = pool.take(window(all).byteCount)
        for group in groups where all.overlaps(group) {
            let target = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[place(of: group, in: all)])
            guard try readGroup(group, into: target) else { return nil }
        }
        return bytes(layers, of: all, in: memory)
    }

    /// The memory that a run of whole groups is read into.
    func byteCount(of layers: Range<Int>) -> Int { window(layers).byteCount }

    /// Reads one group, into memory of as many bytes as it has; false when a layer isn't what the header says.
    func readGroup(_ group: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws(TesseraError) -> Bool {
        let window = window(group)
        guard try lease.file.read(window, into: target) else { return false }
        let start = window.offset - Int(header.place.offset)
        return group.allSatisfy { layer in
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: target[places[layer].lowerBound - start..<places[layer].upperBound - start])
            guard checksum(UnsafeRawBufferPointer(bytes)) == header.layers[layer].checksum else { return false }
            return cipher?.open(inPlace: bytes, of: StoreCipher.name(of: layer, chunk.key)) ?? true
        }
    }

    /// Where a group lies in memory that holds a run of layers.
    func place(of group: Range<Int>, in layers: Range<Int>) -> Range<Int> {
        let start = window(group).offset - window(layers).offset
        return start..<start + window(group).byteCount
    }

    /// Layers of a run that has been read into memory.
    func bytes(_ layers: Range<Int>, of run: Range<Int>, in memory: LayerMemory) -> LayerBytes {
        let start = window(run).offset - Int(header.place.offset)
        return LayerBytes(
            memory,
            at: places[layers].map { place in
                let place = place.lowerBound - start..<place.upperBound - start
                return cipher == nil ? place : StoreCipher.inside(place)
            })
    }

    /// The group that a layer belongs to.
    func group(of layer: Int) -> Range<Int> {
        groups.first { $0.contains(layer) } ?? layer..<layer + 1
    }

    private func window(_ layers: Range<Int>) -> ReadWindow {
        let start = Int(header.place.offset)
        return ReadWindow(
            start + places[layers.lowerBound].lowerBound..<start + places[layers.upperBound - 1].upperBound)
    }

    /// Layers go one by one, to be verified while the processor's cache has them, except where one begins within a block:
    /// reading it alone would read that block again, over bytes that have been verified.
    private static func groups(_ places: [Range<Int>]) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        for layer in places.indices {
            if layer > 0, places[layer].lowerBound % RecordPlace.alignment != 0 {
                groups[groups.count - 1] = groups[groups.count - 1].lowerBound..<layer + 1
            } else {
                groups.append(layer..<layer + 1)
            }
        }
        return groups
    }
}
