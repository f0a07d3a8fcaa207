// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import COneDNN
internal import TesseraKV

/// Weights in BF16, packed for oneDNN once at load.
///
/// Large matrices are packed in pieces of rows, so that no more than a piece exists twice at any time.
struct PackedMatrix: WeightMatrix {
    private struct Piece {
        let rows: Range<Int>
        let layout: dnnl_memory_desc_t
        let memory: Memory
    }

    let outputs: Int
    let inputs: Int
    private let library: OneDNN
    private var pieces: [Piece] = []

    /// Reads the weights out of the file and gives the file's pages back.
    ///
    /// - Parameters:
    ///   - rows: Where the weights lie.
    ///   - library: Multiplies and packs.
    ///   - team: Converts.
    ///   - scratch: Holds a piece before it is packed.
    init(_ rows: StackedRows, library: OneDNN, team: ThreadTeam, scratch: Scratch) throws(TesseraError) {
        outputs = rows.count
        inputs = rows.width
        self.library = library
        let pieceRows = max(64, (32 << 20) / inputs / 64 * 64)
        for first in stride(from: 0, to: outputs, by: pieceRows) {
            let range = first..<min(first + pieceRows, outputs)
            let plain = try scratch.reserve(range.count * inputs, of: UInt16.self)
            try rows.withRows(range) { [inputs] type, bytes, part throws(TesseraError) in
                Self.narrow(
                    type, bytes, width: inputs, team, into: plain + (part.lowerBound - range.lowerBound) * inputs)
            }
            rows.release()
            let layout = try library.packedLayout(outputs: range.count, inputs: inputs)
            let memory = try Memory(byteCount: library.byteCount(of: layout), for: "packed weights")
            try library.pack(plain, outputs: range.count, inputs: inputs, as: layout, into: memory.start)
            pieces.append(Piece(rows: range, layout: layout, memory: memory))
        }
    }

    func multiply(
        rows: Int, _ input: UnsafeRawPointer, adding: Bool, into output: UnsafeMutablePointer<Float>
    ) throws(TesseraError) {
        for piece in pieces {
            try library.multiply(
                rows: rows, input, weights: piece.memory.start, layout: piece.layout, outputs: piece.rows.count,
                inputs: inputs, stride: outputs, adding: adding, into: output + piece.rows.lowerBound)
        }
    }

    private static func narrow(
        _ type: GGUFTensorType, _ bytes: UnsafeRawBufferPointer, width: Int, _ team: ThreadTeam,
        into out: UnsafeMutablePointer<UInt16>
    ) {
        guard let base = bytes.baseAddress else { return }
        let rowBytes = type.rowBytes(width)
        team.run(over: bytes.count / rowBytes, grain: 16) { rows in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { wide in
                guard let wide = wide.baseAddress else { return }
                for row in rows {
                    let (source, target) = (base + row * rowBytes, out + row * width)
                    if type == .bf16 {
                        target.update(from: source.assumingMemoryBound(to: UInt16.self), count: width)
                    } else {
                        type.widen(source, count: width, into: wide)
                        ck_narrow_bf16(wide, target, width)
                    }
                }
            }
        }
    }
}
