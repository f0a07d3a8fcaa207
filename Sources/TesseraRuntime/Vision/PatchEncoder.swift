// SPDX-License-Identifier: Apache-2.0

internal import COpenBLAS
internal import Foundation
internal import TesseraKV

/// Turns a frame into one embedding for each of its patches: the pixels of a patch go through two linear maps with GELU
/// between them, and what is learned about the patch's place is added.
///
/// The tensors and keys are named as llama.cpp's for vision models: `v.patch_embd`, `mm.2`, `v.position_embd`, and
/// `clip.vision.…`. Patches are taken row by row, the pixels of a patch likewise, red, green and blue of a pixel together.
struct PatchEncoder: Sendable {
    /// The tensors that belong to it.
    static let tensors = [
        "v.patch_embd.weight", "v.patch_embd.bias", "mm.2.weight", "mm.2.bias", "v.position_embd.weight",
    ]

    let patch: Int
    let columns: Int
    let rows: Int
    private let width: Int
    private let hidden: Int
    private let means: [Float]
    private let deviations: [Float]
    private let isQuick: Bool
    private let first: (weight: [Float], bias: [Float])
    private let second: (weight: [Float], bias: [Float])
    private let places: [Float]

    /// Reads the encoder of a model; nil where it has none.
    ///
    /// - Parameter width: That of the residual stream.
    init?(_ file: GGUFFile, width: Int) throws(TesseraError) {
        guard Self.tensors.contains(where: { file.tensor($0) != nil }) else { return nil }
        let patch = try file.int("clip.vision.patch_size")
        let (across, down) = (try file.int("clip.vision.image_width"), try file.int("clip.vision.image_height"))
        guard patch > 0, patch <= 256, across > 0, down > 0, across <= 1 << 16, down <= 1 << 16,
            across % patch == 0, down % patch == 0
        else {
            throw TesseraError(
                .corrupt, "\(file.path): frames of \(across) × \(down) pixels don't divide into patches of \(patch)")
        }
        (self.patch, columns, rows, self.width) = (patch, across / patch, down / patch, width)
        means = try file.floats("clip.vision.image_mean")
        deviations = try file.floats("clip.vision.image_std")
        guard means.count == 3, deviations.count == 3, deviations.allSatisfy({ $0 > 0 }) else {
            throw TesseraError(.corrupt, "\(file.path): mean and deviation of pixels are not three numbers each")
        }
        isQuick = try !file.bool("clip.use_gelu")
        guard let hidden = file.tensor("v.patch_embd.bias")?.count, hidden > 0 else {
            throw TesseraError(.corrupt, "\(file.path) lacks the tensor v.patch_embd.bias")
        }
        self.hidden = hidden
        first = (
            try file.numbers("v.patch_embd.weight", shape: [3 * patch * patch, hidden]),
            try file.numbers("v.patch_embd.bias", shape: [hidden])
        )
        second = (
            try file.numbers("mm.2.weight", shape: [hidden, width]), try file.numbers("mm.2.bias", shape: [width])
        )
        places = try file.numbers("v.position_embd.weight", shape: [width, columns * rows])
    }

    /// The embeddings of a frame, (patch, model width).
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a frame of another size.
    func embeddings(of frame: Frame) throws(TesseraError) -> [Float] {
        guard frame.width == columns * patch, frame.height == rows * patch else {
            throw TesseraError(
                .invalidInput,
                "the model sees frames of \(columns * patch) × \(rows * patch) pixels; this one has \(frame.width) × "
                    + "\(frame.height)")
        }
        let inner = linear(pixels(of: frame), first, outputs: hidden).map(activated)
        return zip(linear(inner, second, outputs: width), places).map(+)
    }

    /// (patch, pixel), brought to the numbers that the model was trained on.
    private func pixels(of frame: Frame) -> [Float] {
        var numbers: [Float] = []
        numbers.reserveCapacity(frame.pixels.count)
        for row in 0..<rows {
            for column in 0..<columns {
                for y in row * patch..<(row + 1) * patch {
                    let start = 3 * (y * frame.width + column * patch)
                    for index in 0..<3 * patch {
                        let value = Float(frame.pixels[start + index]) / 255
                        numbers.append((value - means[index % 3]) / deviations[index % 3])
                    }
                }
            }
        }
        return numbers
    }

    private func linear(
        _ input: [Float], _ map: (weight: [Float], bias: [Float]), outputs: Int
    ) -> [Float] {
        let inputs = map.weight.count / outputs
        let count = input.count / inputs
        var output = (0..<count).flatMap { _ in map.bias }
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, Int32(count), Int32(outputs), Int32(inputs), 1, input,
            Int32(inputs), map.weight, Int32(inputs), 1, &output, Int32(outputs))
        return output
    }

    /// GELU in one of the two approximations that llama.cpp's vision models have: by tanh (Hendrycks and Gimpel, 2016), or
    /// the quick one by the logistic function.
    private func activated(_ x: Float) -> Float {
        isQuick ? x / (1 + expf(-1.702 * x)) : 0.5 * x * (1 + tanhf(0.797_884_6 * (x + 0.044715 * x * x * x)))
    }
}

extension GGUFFile {
    /// All numbers of a tensor of a given shape, widened.
    fileprivate func numbers(_ name: String, shape: [Int]) throws(TesseraError) -> [Float] {
        guard let tensor = tensor(name) else { throw TesseraError(.corrupt, "\(path) lacks the tensor \(name)") }
        guard tensor.shape == shape else {
            throw TesseraError(.corrupt, "\(path): the tensor \(name) has shape \(tensor.shape), expected \(shape)")
        }
        guard GGUFTensorType.computable.contains(tensor.type) else {
            throw TesseraError(
                .unsupported,
                "\(path): the tensor \(name) is \(tensor.type); the CPU engine computes F32, F16, BF16 and Q8_0")
        }
        return try withBytes(of: tensor) { bytes in
            [Float](unsafeUninitializedCapacity: tensor.count) { out, count in
                guard let start = bytes.baseAddress, let place = out.baseAddress else { return }
                let rows = tensor.count / shape[0]
                for row in 0..<rows {
                    tensor.type.widen(
                        start + row * tensor.type.rowBytes(shape[0]), count: shape[0], into: place + row * shape[0])
                }
                count = tensor.count
            }
        }
    }
}
