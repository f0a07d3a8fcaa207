// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Makes the tokenizer that a model file describes.
///
/// Two kinds are known, by `tokenizer.ggml.model`: byte-level BPE (`gpt2`) with the pre-tokenisers `gpt-2`,
/// `llama-bpe` and `qwen2`, and SentencePiece BPE with byte fallback (`llama`). Ids equal those of the `tokenizers` and
/// `sentencepiece` libraries.
public enum GGUFTokenizer {
    /// Reads the vocabulary from a file's metadata.
    ///
    /// - Throws: ``TesseraError`` of code `unsupported`, naming the kind or pre-tokeniser that isn't known, or
    ///   `corrupt` where the lists contradict each other.
    public static func make(from file: GGUFFile) throws(TesseraError) -> any Tokenizer {
        let kind = try file.string("tokenizer.ggml.model")
        return switch kind {
        case "gpt2": try ByteLevelTokenizer(file)
        case "llama": try SentencePieceTokenizer(file)
        default:
            throw TesseraError(
                .unsupported,
                "\(file.path): tokenizers of kind \"\(kind)\" can't be used; those of kind gpt2 and llama can")
        }
    }
}
