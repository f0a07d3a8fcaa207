// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The numbers of a model of the `llama` architecture, read from a GGUF file's metadata and checked.
///
/// The keys are those of the GGUF specification. A key that would change the computation and is not handled here is
/// refused by its name, because ignoring it would give wrong answers that look right.
struct LlamaConfiguration: Sendable, Equatable {
    let layers: Int
    let width: Int
    let feedForwardWidth: Int
    let queryHeads: Int
    let keyValueHeads: Int
    let headDimension: Int
    let contextLength: Int
    let epsilon: Float

    var layout: KVLayout { KVLayout(layers: layers, heads: keyValueHeads, headDimension: headDimension) }
    var queryWidth: Int { queryHeads * headDimension }

    /// The largest head that the attention kernels take.
    private static let largestHead = 512

    init(_ file: GGUFFile) throws(TesseraError) {
        let architecture = try file.string("general.architecture")
        guard architecture == "llama" else {
            throw TesseraError(
                .unsupported, "\(file.path) is a \(architecture) model; the CPU engine computes llama models")
        }
        try Self.refuseUnhandledKeys(file)
        layers = try Self.positive(file, "llama.block_count")
        width = try Self.positive(file, "llama.embedding_length")
        feedForwardWidth = try Self.positive(file, "llama.feed_forward_length")
        queryHeads = try Self.positive(file, "llama.attention.head_count")
        keyValueHeads = try Self.positive(file, "llama.attention.head_count_kv", or: queryHeads)
        contextLength = try Self.positive(file, "llama.context_length")
        epsilon = try file.float("llama.attention.layer_norm_rms_epsilon")
        headDimension = try Self.positive(file, "llama.attention.key_length", or: width / queryHeads)
        let valueLength = try Self.positive(file, "llama.attention.value_length", or: headDimension)

        guard queryHeads % keyValueHeads == 0 else {
            throw TesseraError(
                .corrupt, "\(file.path): \(queryHeads) query heads can't share \(keyValueHeads) KV heads equally")
        }
        guard headDimension == valueLength else {
            throw TesseraError(
                .unsupported,
                "\(file.path): keys of \(headDimension) and values of \(valueLength) dimensions; "
                    + "the CPU engine needs them equal")
        }
        guard headDimension > 0, headDimension <= Self.largestHead else {
            throw TesseraError(
                .unsupported,
                "\(file.path): heads of \(headDimension) dimensions; the CPU engine takes 1 to \(Self.largestHead)")
        }
        guard epsilon.isFinite, epsilon >= 0 else {
            throw TesseraError(.corrupt, "\(file.path): llama.attention.layer_norm_rms_epsilon is \(epsilon)")
        }
    }

    private static func positive(
        _ file: GGUFFile, _ key: String, or fallback: Int? = nil
    ) throws(TesseraError) -> Int {
        let value: Int
        if let present = try file.intIfPresent(key) {
            value = present
        } else if let fallback {
            value = fallback
        } else {
            value = try file.int(key)
        }
        // No extent of a real model comes near this; it keeps products of extents within Int.
        guard value > 0, value <= 1 << 28 else { throw TesseraError(.corrupt, "\(file.path): \(key) is \(value)") }
        return value
    }

    private static func refuseUnhandledKeys(_ file: GGUFFile) throws(TesseraError) {
        for (key, value) in file.metadata.sorted(by: { $0.key < $1.key }) where key.hasPrefix("llama.") {
            let name = String(key.dropFirst("llama.".count))
            if handled.contains(name) || neutral[name]?.contains(value.plain) == true { continue }
            throw TesseraError(
                .unsupported,
                "\(file.path): the metadata value \(key) asks for something that the CPU engine does not compute")
        }
    }

    /// What is read here, by the rotary table or by the tokenizer, or has no bearing on the computation.
    private static let handled: Set<String> = [
        "block_count", "embedding_length", "feed_forward_length", "context_length", "vocab_size",
        "attention.head_count", "attention.head_count_kv", "attention.layer_norm_rms_epsilon", "attention.key_length",
        "attention.value_length", "rope.dimension_count", "rope.freq_base", "rope.scale_linear", "rope.scaling.type",
        "rope.scaling.factor", "rope.scaling.attn_factor", "rope.scaling.original_context_length",
        "rope.scaling.finetuned", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow", "tensor_data_layout",
    ]

    /// Values with which a key says nothing.
    private static let neutral: [String: Set<Double>] = [
        "expert_count": [0], "expert_used_count": [0], "attention.causal": [1], "use_parallel_residual": [0],
        "attention.sliding_window": [0], "attention.clamp_kqv": [0], "attention.max_alibi_bias": [0],
        "attn_logit_softcapping": [0], "final_logit_softcapping": [0], "logit_scale": [0, 1], "residual_scale": [0, 1],
        "embedding_scale": [0, 1], "attention.scale": [0], "rope.scaling.yarn_log_multiplier": [0],
    ]
}

extension GGUFValue {
    /// A number or a truth value as one number; NaN for anything else.
    fileprivate var plain: Double {
        number ?? integer.map { Double($0) } ?? truth.map { $0 ? 1 : 0 } ?? .nan
    }
}
