// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// A weight matrix W of shape (outputs, inputs) that rows are multiplied with.
protocol WeightMatrix {
    var outputs: Int { get }
    var inputs: Int { get }

    /// out = in · Wᵀ, or out += in · Wᵀ where `adding`.
    ///
    /// - Parameters:
    ///   - rows: The number of rows, positive.
    ///   - input: (row, input), in the numbers of the engine's precision.
    ///   - output: (row, output).
    func multiply(
        rows: Int, _ input: UnsafeRawPointer, adding: Bool, into output: UnsafeMutablePointer<Float>
    ) throws(TesseraError)
}

/// The rows of one or several tensors of a model file, one below the other, as one matrix.
struct StackedRows {
    let file: GGUFFile
    let tensors: [GGUFTensor]

    var width: Int { tensors[0].shape[0] }
    var count: Int { tensors.reduce(0) { $0 + $1.shape[1] } }

    /// Lends the bytes of the runs of rows that `range` is made of, tensor by tensor.
    func withRows(
        _ range: Range<Int>,
        _ body: (_ type: GGUFTensorType, _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>) throws(TesseraError) ->
            Void
    ) throws(TesseraError) {
        var first = 0
        for tensor in tensors {
            let own = range.clamped(to: first..<first + tensor.shape[1])
            if !own.isEmpty {
                let rowBytes = tensor.byteRange.count / tensor.shape[1]
                try file.withBytes(of: tensor) { bytes throws(TesseraError) in
                    let part = bytes[(own.lowerBound - first) * rowBytes..<(own.upperBound - first) * rowBytes]
                    try body(tensor.type, UnsafeRawBufferPointer(rebasing: part), own)
                }
            }
            first += tensor.shape[1]
        }
    }

    /// Gives the file's pages back to the system.
    func release() {
        for tensor in tensors { file.release(tensor) }
    }
}

extension GGUFTensorType {
    /// The types that a matrix can have.
    static let computable: Set<GGUFTensorType> = [.f32, .f16, .bf16, .q8_0]

    /// Bytes of a row of `width` numbers.
    func rowBytes(_ width: Int) -> Int { width / blockLength * blockBytes }

    /// Widens a row.
    func widen(_ row: UnsafeRawPointer, count: Int, into out: UnsafeMutablePointer<Float>) {
        switch self {
        case .f32: out.update(from: row.assumingMemoryBound(to: Float.self), count: count)
        case .f16: ck_f32_from_f16(out, row.assumingMemoryBound(to: UInt16.self), count)
        case .bf16: ck_widen_bf16(row.assumingMemoryBound(to: UInt16.self), out, count)
        case .q8_0: ck_widen_q8_0(row.assumingMemoryBound(to: UInt8.self), out, count)
        default: preconditionFailure("\(self) was to be refused when the model was opened")
        }
    }
}
