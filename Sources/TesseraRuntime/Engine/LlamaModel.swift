// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A llama model as the engine's thread holds it: weights, and the scratch that calls share.
///
/// `@unchecked Sendable` because only that thread touches it, one call at a time; others merely pass the reference on.
final class LlamaModel: @unchecked Sendable {
    let file: GGUFFile
    let configuration: LlamaConfiguration
    let rotary: RotaryTable
    let precision: EnginePrecision
    let team: ThreadTeam
    let weights: LlamaWeights
    /// Of the prompt that is computed.
    let scratch = LayerScratch()
    /// Of what goes before it: steps of answers, and other short calls.
    let urgentScratch = LayerScratch()

    init(
        _ file: GGUFFile, _ configuration: LlamaConfiguration, rotary: RotaryTable, precision: EnginePrecision,
        team: ThreadTeam
    ) throws(TesseraError) {
        self.file = file
        self.configuration = configuration
        self.rotary = rotary
        self.precision = precision
        self.team = team
        let staging = Scratch("a weight matrix")
        switch precision {
        case .bf16:
            let library = try OneDNN()
            weights = try LlamaWeights(file, configuration) { rows throws(TesseraError) in
                try PackedMatrix(rows, library: library, team: team, scratch: staging)
            }
        case .fp32:
            MappedMatrix.prepare()
            weights = try LlamaWeights(file, configuration) { rows in
                MappedMatrix(rows: rows, team: team, scratch: staging)
            }
        }
    }

    /// Writes the embeddings of tokens, (token, width), straight from the file.
    func embed(_ tokens: [TokenID], into out: UnsafeMutablePointer<Float>) throws(TesseraError) {
        let (embedding, width) = (weights.embedding, configuration.width)
        let rowBytes = embedding.type.rowBytes(width)
        try file.withBytes(of: embedding) { bytes in
            guard let base = bytes.baseAddress else { return }
            for (row, token) in tokens.enumerated() {
                embedding.type.widen(base + Int(token) * rowBytes, count: width, into: out + row * width)
            }
        }
        // The kernel maps whole neighbourhoods of what is touched.
        file.release(embedding)
    }
}

/// The scratch of a forward pass; all but the first three, the packed keys and what observers ask for are bounded by a
/// tile of rows.
final class LayerScratch {
    let residual = Scratch("the residual stream")
    let keysAndValues = Scratch("fresh keys and values")
    let queries = Scratch("fresh queries")
    let packedKeys = Scratch("packed keys and values")
    let activations = Scratch("activations")
    let attended = Scratch("attention")
    let gateAndUp = Scratch("the feed-forward layer")
    let attention = Scratch("attention")
    let partialAttention = Scratch("attention")
    let chosenQueries = Scratch("chosen queries")
    let weighedQueries = Scratch("weighed queries")
    let receivedQueries = Scratch("queries whose attention is added up")
    let ablatedQueries = Scratch("queries over a part of the keys")
    let probabilities = Scratch("attention that is added up")
    let logSums = Scratch("log sums of attention")
}
