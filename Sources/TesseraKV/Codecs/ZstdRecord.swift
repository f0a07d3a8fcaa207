// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import CZstd

/// The parts of a record of ``ZstdCodec``, which fit each other and fill the record.
///
/// | bytes | field |
/// |---|---|
/// | 4, 4 | tokens in a block (the last block takes the rest), blocks of the keys; there are as many of the values |
/// | 4 each | size of each plane: low and high of each block of the keys, then of each block of the values |
/// | the rest | the planes in that order |
///
/// Numbers are little-endian. A plane as long as its block has numbers is as it is; a shorter one is a Zstandard frame.
struct ZstdRecord {
    /// What a block is a part of.
    enum Part { case keys, values }

    /// The planes of some tokens' keys or values.
    struct Block {
        let part: Part
        let tokens: Range<Int>
        let low: UnsafeRawBufferPointer
        let high: UnsafeRawBufferPointer
    }

    /// Keys and then values, each in the order of tokens.
    let blocks: [Block]

    /// Numbers in a block, at most, of which each is a byte in either plane: little enough for the second-level cache,
    /// and so many that the tables of each frame cost nothing that can be measured.
    private static let blockNumbers = 64 << 10

    /// The tokens in a block of a new record.
    static func tokensPerBlock(width: Int) -> Int { max(1, blockNumbers / width) }

    /// The blocks of the keys.
    static func blockCount(tokens: Int, perBlock: Int) -> Int { (tokens + perBlock - 1) / perBlock }

    /// The size of all that stands before the planes.
    static func headerByteCount(blocks: Int) -> Int { 8 + 16 * blocks }

    /// Reads a record; `nil` if its parts don't fit.
    init?(_ record: UnsafeRawBufferPointer, tokens: Int, width: Int) {
        guard record.count >= Self.headerByteCount(blocks: 0) else { return nil }
        func number(at offset: Int) -> Int {
            Int(UInt32(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        let perBlock = number(at: 0)
        let count = number(at: 4)
        guard perBlock > 0, count == Self.blockCount(tokens: tokens, perBlock: perBlock),
            record.count >= Self.headerByteCount(blocks: count)
        else { return nil }

        var start = Self.headerByteCount(blocks: count)
        func plane(_ index: Int, atMost size: Int) -> UnsafeRawBufferPointer? {
            let packed = number(at: 8 + 4 * index)
            guard packed <= size, packed <= record.count - start else { return nil }
            defer { start += packed }
            return UnsafeRawBufferPointer(rebasing: record[start..<start + packed])
        }
        var blocks: [Block] = []
        for index in 0..<2 * count {
            let first = index % count * perBlock
            let tokens = first..<min(first + perBlock, tokens)
            guard let low = plane(2 * index, atMost: tokens.count * width),
                let high = plane(2 * index + 1, atMost: tokens.count * width)
            else { return nil }
            blocks.append(Block(part: index < count ? .keys : .values, tokens: tokens, low: low, high: high))
        }
        guard start == record.count else { return nil }
        self.blocks = blocks
    }

    /// The record of keys and values in the form of ``HalfCodec``.
    static func pack(_ halves: [UInt8], width: Int) throws(TesseraError) -> [UInt8] {
        let tokens = halves.count / (4 * width)
        let perBlock = tokensPerBlock(width: width)
        let count = blockCount(tokens: tokens, perBlock: perBlock)
        let packer = try PlanePacker(capacity: min(tokens, perBlock) * width)
        var sizes: [Int] = []
        var planes: [UInt8] = []
        halves.withUnsafeBufferPointer { halves in
            guard let start = halves.baseAddress else { return }
            for index in 0..<2 * count {
                let first = index % count * perBlock
                let numbers = (min(first + perBlock, tokens) - first) * width
                let block = start + 2 * width * (index / count * tokens + first)
                sizes += packer.pack(block, count: numbers, into: &planes)
            }
        }
        var record: [UInt8] = []
        record.reserveCapacity(headerByteCount(blocks: count) + planes.count)
        for number in [perBlock, count] + sizes {
            withUnsafeBytes(of: UInt32(number).littleEndian) { record += $0 }
        }
        return record + planes
    }
}
