// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import COneDNN
internal import TesseraKV

/// Weights in BF16, packed for oneDNN once at load.
struct PackedMatrix: WeightMatrix {
    let outputs: Int
    let inputs: Int
    private let library: OneDNN
    private let team: ThreadTeam
    private let layout: dnnl_memory_desc_t
    private let memory: Memory

    /// Reads the weights out of the file, a run of rows at a time, so that only a run exists twice, and gives the
    /// file's pages back.
    ///
    /// - Parameters:
    ///   - rows: Where the weights lie.
    ///   - library: Multiplies and packs.
    ///   - team: Converts and multiplies.
    ///   - scratch: Holds a run before it is packed.
    init(_ rows: StackedRows, library: OneDNN, team: ThreadTeam, scratch: Scratch) throws(TesseraError) {
        outputs = rows.count
        inputs = rows.width
        self.library = library
        self.team = team
        layout = try library.packedLayout(outputs: outputs, inputs: inputs)
        memory = try Memory(byteCount: library.byteCount(of: layout), for: "packed weights")
        let run = max(1, (16 << 20) / inputs / OneDNN.packingStep) * OneDNN.packingStep
        for first in stride(from: 0, to: outputs, by: run) {
            let range = first..<min(first + run, outputs)
            let plain = try scratch.reserve(range.count * inputs, of: UInt16.self)
            try rows.withRows(range) { [inputs] type, bytes, part throws(TesseraError) in
                Self.narrow(
                    type, bytes, width: inputs, team, into: plain + (part.lowerBound - range.lowerBound) * inputs)
            }
            rows.release()
            try library.pack(plain, rows: range, inputs: inputs, as: layout, into: memory.start)
        }
    }

    func multiply(
        rows: Int, _ input: UnsafeRawPointer, adding: Bool, into output: UnsafeMutablePointer<Float>
    ) throws(TesseraError) {
        try team.product(rows: rows, weights: outputs * inputs) { () throws(TesseraError) in
            try library.multiply(
                rows: rows, input, weights: memory.start, layout: layout, outputs: outputs, inputs: inputs,
                adding: adding, into: output)
        }
    }

    private static func narrow(
        _ type: GGUFTensorType, _ bytes: UnsafeRawBufferPointer, width: Int, _ team: ThreadTeam,
        into out: UnsafeMutablePointer<UInt16>
    ) {
        guard let base = bytes.baseAddress else { return }
        let rowBytes = type.rowBytes(width)
        team.run(rows: bytes.count / rowBytes, width: width) { rows in
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
