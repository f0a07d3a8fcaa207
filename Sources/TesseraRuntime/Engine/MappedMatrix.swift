// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import COpenBLAS
internal import TesseraKV

/// Weights in fp32, multiplied straight from the model file: rows of other types are widened block by block while they
/// are used, so that nothing of the file is held twice.
///
/// Each block is computed on one thread, and the blocks are spread over the engine's team, because a library's own
/// threads would compete with the team's. oneDNN makes its kernels for the processor that it finds, so it is what
/// multiplies wherever there is AVX2; OpenBLAS chooses among kernels by the processor's model number, and one that it
/// doesn't know (a virtual one, or one newer than the library) gets those of 2004, five times slower.
struct MappedMatrix: WeightMatrix {
    let rows: StackedRows
    let team: ThreadTeam
    let scratch: Scratch

    var outputs: Int { rows.count }
    var inputs: Int { rows.width }

    /// Tells OpenBLAS to leave threads to us. The setting holds for the whole process.
    static func prepare() {
        openblas_set_num_threads(1)
    }

    func multiply(
        rows count: Int, _ input: UnsafeRawPointer, adding: Bool, into output: UnsafeMutablePointer<Float>
    ) throws(TesseraError) {
        let input = input.assumingMemoryBound(to: Float.self)
        let block = max(16, (1 << 19) / inputs / 16 * 16)
        let widened = try scratch.reserve(team.threads * block * inputs, of: Float.self)
        try team.product(rows: count, weights: outputs * inputs) { () throws(TesseraError) in
            try multiply(rows: count, input, adding: adding, into: output, block: block, widened)
        }
    }

    private func multiply(
        rows count: Int, _ input: UnsafePointer<Float>, adding: Bool, into output: UnsafeMutablePointer<Float>,
        block: Int, _ widened: UnsafeMutablePointer<Float>
    ) throws(TesseraError) {
        let steps = ThreadTeam.steps(rows: count, weights: outputs * inputs)
        try rows.withRows(0..<outputs) { type, bytes, part throws(TesseraError) in
            guard let base = bytes.baseAddress else { return }
            team.run((part.count + block - 1) / block, steps: steps) { task, thread in
                let own = task * block..<min(part.count, (task + 1) * block)
                let start = base + own.lowerBound * type.rowBytes(inputs)
                var weights = start.assumingMemoryBound(to: Float.self)
                if type != .f32 {
                    let out = widened + thread * block * inputs
                    for row in 0..<own.count {
                        type.widen(start + row * type.rowBytes(inputs), count: inputs, into: out + row * inputs)
                    }
                    weights = UnsafePointer(out)
                }
                product(
                    count, input, weights, own.count, adding: adding, output + part.lowerBound + own.lowerBound)
            }
        }
    }

    private func product(
        _ count: Int, _ input: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ columns: Int, adding: Bool,
        _ output: UnsafeMutablePointer<Float>
    ) {
        guard ck_isa_active() == CK_ISA_SCALAR else {
            return OneDNN.multiply(
                rows: count, input, weights: weights, outputs: columns, inputs: inputs, adding: adding, into: output,
                stride: outputs)
        }
        let (n, k) = (Int32(columns), Int32(inputs))
        if count == 1 {
            cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, weights, k, input, 1, adding ? 1 : 0, output, 1)
        } else {
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, Int32(count), n, k, 1, input, k, weights, k, adding ? 1 : 0,
                output, Int32(outputs))
        }
    }
}
