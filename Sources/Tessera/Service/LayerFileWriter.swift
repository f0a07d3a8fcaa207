// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV
internal import TesseraStore

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// Writes layers of stored KV into a file: places them in a buffer of one layer, puts them in the file's order and type, and
/// hands them to the kernel. One instance serves one thread.
final class LayerFileWriter {
    private let file: CInt
    private let start: Int
    private let format: KVFileFormat
    private let layout: KVLayout
    private let tokens: Int
    /// The rows of keys that are written at a time.
    private let tile: Int
    private let buffer: KVBuffer
    /// For each dimension of a key's head in the file, the one that it comes from; nil where none moves.
    private let order: [Int]?
    private var ordered: [Float]
    private var halves: [UInt16]

    /// - Parameters:
    ///   - prompt: The prompt.
    ///   - format: How the numbers lie in the file.
    ///   - file: The file, of its full size.
    ///   - start: Where its tensors begin.
    init(
        _ prompt: StitchedPrompt, _ format: KVFileFormat, to file: CInt, behind start: Int
    ) throws(TesseraError) {
        (self.file, self.start, self.format) = (file, start, format)
        (layout, tokens) = (prompt.layout, prompt.plan.promptTokens)
        tile = max(1, prompt.tileNumbers / prompt.layout.width)
        let longest = prompt.runs.map(\.slots.count).max() ?? 1
        buffer = try KVBuffer(
            layout: KVLayout(layers: 1, heads: layout.heads, headDimension: layout.headDimension), capacity: longest)
        let rotary = prompt.rotary
        order = format.pairing.order(
            from: rotary.pairing, pairs: rotary.frequencies.count, headDimension: layout.headDimension)
        let moves = order != nil || format.order == .head
        ordered = Array(repeating: 0, count: moves ? longest * layout.width : 0)
        halves = Array(repeating: 0, count: format.element == .f32 ? 0 : longest * layout.width)
    }

    /// Writes one layer of a run.
    func write(_ run: LoadedRun, layer: Int, angles: RotaryAngles) throws(TesseraError) {
        guard let chunk = run.chunk else { return }
        guard let codec = StoreCodec.codec(named: chunk.codec) else {
            throw TesseraError(.unsupported, "the codec \(chunk.codec) is one of a newer Tessera")
        }
        let tokens = run.slots.count
        try chunk.withLayer(layer) { (record) throws(TesseraError) in
            if let half = codec as? HalfCodec, half.format == format.element.half, format.order == .token {
                // The values lie in the record as they do in the file.
                let values = try half.values(in: record, tokens: tokens, layout: layout)
                try Self.write(values, to: file, at: offset(of: run.slots, array: 2 * layer + 1))
                try writeKeys(half, record, run.slots, layer: layer, angles)
            } else {
                try codec.place(record, tokens: tokens, into: buffer, layer: 0, at: 0, angles: angles)
                try write(rows(0..<tokens, buffer.keys(of: 0)), run.slots, array: 2 * layer, order)
                try write(rows(0..<tokens, buffer.values(of: 0)), run.slots, array: 2 * layer + 1, nil)
            }
        }
    }

    /// Writes the keys of a record, a few rows at a time.
    private func writeKeys(
        _ codec: HalfCodec, _ record: UnsafeRawBufferPointer, _ slots: Range<Int>, layer: Int, _ angles: RotaryAngles
    ) throws(TesseraError) {
        for first in stride(from: 0, to: slots.count, by: tile) {
            let range = first..<min(first + tile, slots.count)
            try codec.placeKeys(record, of: range, tokens: slots.count, into: buffer, layer: 0, angles: angles)
            let own = slots.lowerBound + range.lowerBound..<slots.lowerBound + range.upperBound
            try write(rows(range, buffer.keys(of: 0)), own, array: 2 * layer, order)
        }
    }

    private func rows(
        _ range: Range<Int>, _ all: UnsafeMutableBufferPointer<Float>
    ) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: all[range.lowerBound * layout.width..<range.upperBound * layout.width])
    }

    /// Where rows begin in an array whose first index is the token.
    private func offset(of slots: Range<Int>, array: Int) -> Int {
        start + (array * tokens + slots.lowerBound) * layout.width * format.element.byteCount
    }

    /// Writes the rows of some slots of one array.
    private func write(
        _ rows: UnsafeMutableBufferPointer<Float>, _ slots: Range<Int>, array: Int, _ order: [Int]?
    ) throws(TesseraError) {
        let count = slots.count * layout.width
        let moved = put(rows, tokens: slots.count, order)
        let offset = start + array * tokens * layout.width * format.element.byteCount
        try withNumbers(moved ? nil : UnsafeBufferPointer(rebasing: rows[..<count]), count) {
            (bytes) throws(TesseraError) in
            switch format.order {
            case .token:
                let size = layout.width * format.element.byteCount
                try Self.write(bytes, to: file, at: offset + slots.lowerBound * size)
            case .head:
                let size = layout.headDimension * format.element.byteCount
                for head in 0..<layout.heads {
                    let from = head * slots.count * size
                    try Self.write(
                        UnsafeRawBufferPointer(rebasing: bytes[from..<from + slots.count * size]), to: file,
                        at: offset + (head * tokens + slots.lowerBound) * size)
                }
            }
        }
    }

    /// Puts rows in the file's order; whether anything had to move.
    private func put(_ rows: UnsafeMutableBufferPointer<Float>, tokens: Int, _ order: [Int]?) -> Bool {
        guard order != nil || format.order == .head else { return false }
        let dimension = layout.headDimension
        ordered.withUnsafeMutableBufferPointer { out in
            for token in 0..<tokens {
                for head in 0..<layout.heads {
                    let from = token * layout.width + head * dimension
                    let to = format.order == .head ? (head * tokens + token) * dimension : from
                    if let order {
                        for (place, source) in order.enumerated() { out[to + place] = rows[from + source] }
                    } else {
                        for place in 0..<dimension { out[to + place] = rows[from + place] }
                    }
                }
            }
        }
        return true
    }

    /// Calls `body` with numbers in the file's type.
    ///
    /// - Parameter numbers: The numbers; nil for those that were put in order.
    private func withNumbers(
        _ numbers: UnsafeBufferPointer<Float>?, _ count: Int,
        _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Void
    ) throws(TesseraError) {
        guard let numbers else {
            return try ordered.withUnsafeBufferPointer { (ordered) throws(TesseraError) in
                try withNumbers(UnsafeBufferPointer(rebasing: ordered[..<count]), count, body)
            }
        }
        guard let half = format.element.half else { return try body(UnsafeRawBufferPointer(numbers)) }
        guard let source = numbers.baseAddress else { return }
        try halves.withUnsafeMutableBufferPointer { (halves) throws(TesseraError) in
            guard let target = halves.baseAddress else { return }
            guard half.narrow(source, count: count, to: target) == count else {
                throw TesseraError(
                    .invalidInput, "a number is too large for \(format.element.rawValue); ask for BF16 or F32")
            }
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: halves[..<count])))
        }
    }

    // MARK: Files

    /// Sets the size of a file.
    static func resize(_ file: CInt, to size: Int) throws(TesseraError) {
        guard ftruncate(file, off_t(size)) == 0 else { throw failure() }
    }

    /// Writes all of some bytes.
    static func write(_ bytes: UnsafeRawBufferPointer, to file: CInt, at offset: Int) throws(TesseraError) {
        var done = 0
        while done < bytes.count {
            let written = pwrite(file, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw failure() }
            done += written
        }
    }

    private static func failure() -> TesseraError {
        TesseraError(
            errno == ENOSPC ? .full : .io, "a lease's file can't be written: \(String(cString: strerror(errno)))")
    }
}
