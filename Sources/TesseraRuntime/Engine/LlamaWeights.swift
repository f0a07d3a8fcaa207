// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// The weights of a llama model, ready to compute with.
struct LlamaWeights {
    /// The weights of one layer.
    struct Layer {
        let attentionNorm: [Float]
        let query: any WeightMatrix
        let keysAndValues: any WeightMatrix
        let attentionOutput: any WeightMatrix
        let feedForwardNorm: [Float]
        let gateAndUp: any WeightMatrix
        let down: any WeightMatrix
    }

    let embedding: GGUFTensor
    let layers: [Layer]
    let outputNorm: [Float]
    let output: any WeightMatrix
    var vocabulary: Int { embedding.shape[1] }

    /// Takes every tensor of the file, checks its shape and type, and makes the matrices.
    ///
    /// - Parameter matrix: Makes the matrix of stacked tensors.
    init(
        _ file: GGUFFile, _ model: LlamaConfiguration, matrix: (StackedRows) throws(TesseraError) -> any WeightMatrix
    ) throws(TesseraError) {
        var tensors = ModelTensors(file)
        let (width, feedForward) = (model.width, model.feedForwardWidth)
        let (queryWidth, keyWidth) = (model.queryWidth, model.layout.width)
        embedding = try tensors.matrix("token_embd.weight", inputs: width, outputs: nil)
        let separate = try tensors.matrixIfPresent("output.weight", inputs: width, outputs: embedding.shape[1])
        let outputNorm = try tensors.vector("output_norm.weight", count: width)
        var names: [(Layer.Tensors)] = []
        for layer in 0..<model.layers {
            let name = { (part: String) in "blk.\(layer).\(part).weight" }
            names.append(
                Layer.Tensors(
                    attentionNorm: try tensors.vector(name("attn_norm"), count: width),
                    query: try tensors.matrix(name("attn_q"), inputs: width, outputs: queryWidth),
                    key: try tensors.matrix(name("attn_k"), inputs: width, outputs: keyWidth),
                    value: try tensors.matrix(name("attn_v"), inputs: width, outputs: keyWidth),
                    attentionOutput: try tensors.matrix(name("attn_output"), inputs: queryWidth, outputs: width),
                    feedForwardNorm: try tensors.vector(name("ffn_norm"), count: width),
                    gate: try tensors.matrix(name("ffn_gate"), inputs: width, outputs: feedForward),
                    up: try tensors.matrix(name("ffn_up"), inputs: width, outputs: feedForward),
                    down: try tensors.matrix(name("ffn_down"), inputs: feedForward, outputs: width)))
        }
        // Everything is checked before anything is packed: a bad file fails in no time.
        try tensors.refuseUnused()

        self.outputNorm = outputNorm
        output = try matrix(StackedRows(file: file, tensors: [separate ?? embedding]))
        var layers: [Layer] = []
        for part in names { layers.append(try Layer(part, file, matrix: matrix)) }
        self.layers = layers
    }
}

extension LlamaWeights.Layer {
    /// The tensors that a layer is made of.
    fileprivate struct Tensors {
        let attentionNorm: [Float]
        let query: GGUFTensor, key: GGUFTensor, value: GGUFTensor, attentionOutput: GGUFTensor
        let feedForwardNorm: [Float]
        let gate: GGUFTensor, up: GGUFTensor, down: GGUFTensor
    }

    fileprivate init(
        _ tensors: Tensors, _ file: GGUFFile, matrix: (StackedRows) throws(TesseraError) -> any WeightMatrix
    ) throws(TesseraError) {
        attentionNorm = tensors.attentionNorm
        query = try matrix(StackedRows(file: file, tensors: [tensors.query]))
        keysAndValues = try matrix(StackedRows(file: file, tensors: [tensors.key, tensors.value]))
        attentionOutput = try matrix(StackedRows(file: file, tensors: [tensors.attentionOutput]))
        feedForwardNorm = tensors.feedForwardNorm
        gateAndUp = try matrix(StackedRows(file: file, tensors: [tensors.gate, tensors.up]))
        down = try matrix(StackedRows(file: file, tensors: [tensors.down]))
    }
}

/// Hands out a file's tensors, checked, and knows which were never asked for.
private struct ModelTensors {
    private let file: GGUFFile
    private var used = Set(["rope_freqs.weight"] + PatchEncoder.tensors)

    init(_ file: GGUFFile) {
        self.file = file
    }

    mutating func vector(_ name: String, count: Int) throws(TesseraError) -> [Float] {
        try file.vector(try required(name), count: count)
    }

    mutating func matrix(_ name: String, inputs: Int, outputs: Int?) throws(TesseraError) -> GGUFTensor {
        let tensor = try required(name)
        guard GGUFTensorType.computable.contains(tensor.type) else {
            throw TesseraError(
                .unsupported,
                "\(file.path): the tensor \(name) is \(tensor.type); the CPU engine computes F32, F16, BF16 and Q8_0")
        }
        guard tensor.shape.count == 2, tensor.shape[0] == inputs, tensor.shape[1] == outputs ?? tensor.shape[1],
            tensor.shape[1] > 0
        else {
            let expected = "\(inputs) × \(outputs.map(String.init) ?? "vocabulary")"
            throw TesseraError(
                .corrupt, "\(file.path): the tensor \(name) has shape \(tensor.shape), expected \(expected)")
        }
        return tensor
    }

    mutating func matrixIfPresent(
        _ name: String, inputs: Int, outputs: Int
    ) throws(TesseraError) -> GGUFTensor? {
        file.tensor(name) == nil ? nil : try matrix(name, inputs: inputs, outputs: outputs)
    }

    func refuseUnused() throws(TesseraError) {
        if let stranger = file.tensors.first(where: { !used.contains($0.name) }) {
            throw TesseraError(
                .unsupported, "\(file.path): the CPU engine does not know what the tensor \(stranger.name) is for")
        }
    }

    private mutating func required(_ name: String) throws(TesseraError) -> GGUFTensor {
        guard let tensor = file.tensor(name) else {
            throw TesseraError(.corrupt, "\(file.path) lacks the tensor \(name)")
        }
        used.insert(name)
        return tensor
    }
}

extension GGUFFile {
    /// The numbers of a small tensor of one extent.
    func vector(_ tensor: GGUFTensor, count: Int) throws(TesseraError) -> [Float] {
        guard tensor.type == .f32 else {
            throw TesseraError(.unsupported, "\(path): the tensor \(tensor.name) is \(tensor.type); it has to be F32")
        }
        guard tensor.shape == [count] else {
            throw TesseraError(
                .corrupt, "\(path): the tensor \(tensor.name) has shape \(tensor.shape), expected \(count)")
        }
        return try withBytes(of: tensor) { bytes in
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }
}
