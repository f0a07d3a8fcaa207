// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

extension RotaryTable {
    /// The rotation of a llama model: `rope.*` metadata and the factors of Llama 3 (`rope_freqs.weight`), with the
    /// meaning that llama.cpp gives them.
    ///
    /// Frequencies of YaRN (Peng et al., 2023, §3.2 and §3.4) lie between the interpolated and the original ones by a
    /// ramp over the number of turns in the original context; the paper's temperature becomes ``magnitude``.
    static func llama(_ file: GGUFFile, _ model: LlamaConfiguration) throws(TesseraError) -> RotaryTable {
        let dimensions = try file.intIfPresent("llama.rope.dimension_count") ?? model.headDimension
        guard dimensions > 0, dimensions % 2 == 0, dimensions <= model.headDimension else {
            throw TesseraError(
                .corrupt,
                "\(file.path): llama.rope.dimension_count is \(dimensions), heads have \(model.headDimension)")
        }
        let base = try file.floatIfPresent("llama.rope.freq_base") ?? 10_000
        guard base.isFinite, base > 1 else {
            throw TesseraError(.corrupt, "\(file.path): llama.rope.freq_base is \(base)")
        }
        let divisors = try llama3Factors(file, pairs: dimensions / 2)
        let plain = (0..<dimensions / 2).map { pair in
            pow(Double(base), -2 * Double(pair) / Double(dimensions)) / Double(divisors?[pair] ?? 1)
        }
        let scaling = try Scaling(file, contextLength: model.contextLength)
        let kept = scaling.shareKept(dimensions: dimensions, base: Double(base))
        let frequencies = zip(plain, kept).map { frequency, kept in
            Float(frequency * kept + frequency / scaling.factor * (1 - kept))
        }
        return RotaryTable(frequencies: frequencies, pairing: .interleaved, magnitude: Float(scaling.magnitude))
    }

    private static func llama3Factors(_ file: GGUFFile, pairs: Int) throws(TesseraError) -> [Float]? {
        guard let tensor = file.tensor("rope_freqs.weight") else { return nil }
        let factors = try file.vector(tensor, count: pairs)
        guard factors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
            throw TesseraError(
                .corrupt, "\(file.path): the tensor rope_freqs.weight holds a factor that is not positive")
        }
        return factors
    }
}

/// The `rope.scaling.*` metadata.
private struct Scaling {
    /// Positions are divided by it; 1 without scaling.
    var factor = 1.0
    /// The factor on cosine and sine.
    var magnitude = 1.0
    /// YaRN's original context and its bounds in turns; nil for linear scaling.
    var yarn: (context: Double, fast: Double, slow: Double)?

    init(_ file: GGUFFile, contextLength: Int) throws(TesseraError) {
        let type = try file.stringIfPresent("llama.rope.scaling.type") ?? "linear"
        guard ["none", "linear", "yarn"].contains(type) else {
            throw TesseraError(
                .unsupported, "\(file.path): rope scaling of type \(type); the CPU engine knows none, linear and yarn")
        }
        let attentionFactor = try file.floatIfPresent("llama.rope.scaling.attn_factor") ?? 1
        guard attentionFactor.isFinite, attentionFactor > 0 else {
            throw TesseraError(.corrupt, "\(file.path): llama.rope.scaling.attn_factor is \(attentionFactor)")
        }
        magnitude = Double(attentionFactor)
        guard type != "none" else { return }
        let named = try file.floatIfPresent("llama.rope.scaling.factor")
        let older = try file.floatIfPresent("llama.rope.scale_linear")
        let given = named ?? older ?? 0
        guard given.isFinite, given >= 0 else {
            throw TesseraError(.corrupt, "\(file.path): llama.rope.scaling.factor is \(given)")
        }
        factor = given == 0 ? 1 : Double(given)
        if type == "yarn" {
            let context = try file.intIfPresent("llama.rope.scaling.original_context_length") ?? contextLength
            let fast = try file.floatIfPresent("llama.rope.scaling.yarn_beta_fast") ?? 32
            let slow = try file.floatIfPresent("llama.rope.scaling.yarn_beta_slow") ?? 1
            guard context > 0, fast.isFinite, slow.isFinite, fast > slow, slow > 0 else {
                throw TesseraError(
                    .corrupt, "\(file.path): the llama.rope.scaling values of yarn contradict each other")
            }
            yarn = (Double(context), Double(fast), Double(slow))
            magnitude *= 1 + 0.1 * log(max(1, factor))
        }
    }

    /// For each pair, the share in which it keeps its original frequency.
    func shareKept(dimensions: Int, base: Double) -> [Double] {
        guard let yarn else { return Array(repeating: 0, count: dimensions / 2) }
        // The pair that makes `turns` turns in the original context.
        func pair(turns: Double) -> Double {
            Double(dimensions) * log(yarn.context / (turns * 2 * .pi)) / (2 * log(base))
        }
        let low = max(0, pair(turns: yarn.fast).rounded(.down))
        let high = min(Double(dimensions - 1), pair(turns: yarn.slow).rounded(.up))
        return (0..<dimensions / 2).map { index in
            1 - min(1, max(0, (Double(index) - low) / max(0.001, high - low)))
        }
    }
}
