// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// SentencePiece BPE with byte fallback: spaces become ▁, the characters of a text are merged by the scores of the
/// pieces that they make, and characters that no piece has become their bytes.
///
/// Kudo and Richardson, *SentencePiece* (2018). User-defined pieces are found in any text and never merged, control
/// tokens only on request; each run of text between control tokens gets its own leading space, as Llama 2's
/// `tokenizer.json` has it. Unused pieces are never made.
struct SentencePieceTokenizer: Tokenizer {
    let digest: Digest256
    let addsLeadingSpace: Bool
    var beginning: TokenID? { vocabulary.beginning }
    var endings: Set<TokenID> { vocabulary.endings }
    var addsBeginning: Bool { vocabulary.addsBeginning }

    private let vocabulary: Vocabulary
    /// The bytes that each token stands for.
    private let contents: [[UInt8]]
    private let pieces: SentencePieces
    private let userDefined: TokenMatcher
    private let control: TokenMatcher
    private let pool = WorkspacePool()

    init(_ file: GGUFFile) throws(TesseraError) {
        if let map = try file.intsIfPresent("tokenizer.ggml.precompiled_charsmap"), !map.isEmpty {
            throw TesseraError(.unsupported, "\(file.path): SentencePiece's own normalisation can't be used")
        }
        vocabulary = try Vocabulary(file, addsBeginning: true)
        addsLeadingSpace = try file.boolIfPresent("tokenizer.ggml.add_space_prefix") ?? true
        let scores = try file.floats("tokenizer.ggml.scores")
        guard scores.count == vocabulary.tokens.count, !scores.contains(where: \.isNaN) else {
            throw TesseraError(.corrupt, "\(file.path): the tokens' scores are not one number for each")
        }
        let byteTokens = try Self.byteTokens(vocabulary, file)
        pieces = try SentencePieces(vocabulary, scores, byteTokens, file)
        userDefined = vocabulary.matcher(of: .userDefined)
        control = vocabulary.matcher(of: .control)
        contents = vocabulary.tokens.map { Self.withSpaces($0) }.enumerated().map { id, text in
            byteTokens.firstIndex(of: TokenID(id)).map { [UInt8($0)] } ?? text
        }

        var digester = Digester()
        digester.add("SentencePiece BPE")
        vocabulary.add(to: &digester)
        digester.add(scores)
        digester.add(addsLeadingSpace ? 1 : 0)
        digest = digester.digest()
    }

    private static func byteTokens(_ vocabulary: Vocabulary, _ file: GGUFFile) throws(TesseraError) -> [TokenID] {
        var tokens = [TokenID](repeating: -1, count: 256)
        for id in vocabulary.ids(of: .byte) {
            let name = String(decoding: vocabulary.tokens[Int(id)], as: UTF8.self)
            guard name.count == 6, name.hasPrefix("<0x"), name.hasSuffix(">"),
                let byte = UInt8(name.dropFirst(3).dropLast(), radix: 16)
            else { throw TesseraError(.corrupt, "\(file.path): the byte token \(id) names no byte") }
            tokens[Int(byte)] = id
        }
        guard !tokens.contains(-1) else {
            throw TesseraError(
                .unsupported, "\(file.path): SentencePiece vocabularies without byte fallback can't be used")
        }
        return tokens
    }

    private static func withSpaces(_ piece: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = piece[...]
        while let first = rest.first {
            let isSpace = rest.starts(with: SentencePieces.space)
            result.append(isSpace ? UInt8(ascii: " ") : first)
            rest = rest.dropFirst(isSpace ? SentencePieces.space.count : 1)
        }
        return result
    }

    func encode(_ text: String, special: Bool) -> [TokenID] {
        var ids: [TokenID] = []
        var text = text
        pool.with { workspace in
            text.withUTF8 { bytes in
                guard special else { return encode(bytes, &workspace, &ids) }
                control.split(bytes) { run in
                    encode(run, &workspace, &ids)
                } token: {
                    ids.append($0)
                }
            }
        }
        return ids
    }

    private func encode(
        _ run: UnsafeBufferPointer<UInt8>, _ workspace: inout EncodingWorkspace, _ ids: inout [TokenID]
    ) {
        guard !run.isEmpty else { return }
        var normalized: [UInt8] = addsLeadingSpace ? SentencePieces.space : []
        normalized.reserveCapacity(run.count + run.count / 2)
        for byte in run {
            if byte == UInt8(ascii: " ") { normalized += SentencePieces.space } else { normalized.append(byte) }
        }
        normalized.withUnsafeBufferPointer { bytes in
            userDefined.split(bytes) { part in
                pieces.encode(part, &workspace, &ids)
            } token: {
                ids.append($0)
            }
        }
    }

    func bytes(of token: TokenID, special: Bool) -> [UInt8] {
        guard contents.indices.contains(Int(token)) else { return [] }
        return switch vocabulary.kinds[Int(token)] {
        case .control, .unknown: special ? contents[Int(token)] : []
        default: contents[Int(token)]
        }
    }
}
