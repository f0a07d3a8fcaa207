// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Byte-level BPE: a text is cut into pieces by the pre-tokeniser, and the bytes of each piece are merged by rank.
///
/// A file that names no pre-tokeniser, or `default`, is taken as GPT-2's. User-defined tokens are found in any text, as
/// the `tokenizers` library does it; control tokens only on request.
struct ByteLevelTokenizer: Tokenizer {
    let digest: Digest256
    var beginning: TokenID? { vocabulary.beginning }
    var endings: Set<TokenID> { vocabulary.endings }
    var addsBeginning: Bool { vocabulary.addsBeginning }

    private let vocabulary: Vocabulary
    private let preTokenizer: PreTokenizer
    /// The bytes that each token stands for.
    private let contents: [[UInt8]]
    /// The token of each single byte.
    private let byteTokens: [TokenID]
    /// Tokens that a whole piece becomes without merging; empty where the model merges always.
    private let wholes: [ArraySlice<UInt8>: TokenID]
    private let merger: PairMerger
    private let named: TokenMatcher
    private let namedAndSpecial: TokenMatcher
    private let pool = WorkspacePool()

    init(_ file: GGUFFile) throws(TesseraError) {
        preTokenizer = try Self.preTokenizer(file)
        vocabulary = try Vocabulary(file, addsBeginning: preTokenizer == .llama3)
        let decoded = zip(vocabulary.tokens, vocabulary.kinds).map { token, kind in
            kind == .control || kind == .userDefined ? nil : ByteLevelAlphabet.decode(token)
        }
        contents = zip(decoded, vocabulary.tokens).map { $0 ?? $1 }
        var ids: [ArraySlice<UInt8>: TokenID] = [:]
        for (id, bytes) in decoded.enumerated() {
            guard let bytes else { continue }
            guard ids.updateValue(TokenID(id), forKey: bytes[...]) == nil else {
                throw TesseraError(.corrupt, "\(file.path): token \(id) of the vocabulary is there twice")
            }
        }
        byteTokens = try Self.byteTokens(ids, file)
        let merges = try file.strings("tokenizer.ggml.merges")
        merger = PairMerger(try Self.rules(merges, ids, file))
        wholes = preTokenizer == .llama3 ? ids : [:]
        named = vocabulary.matcher(of: .userDefined)
        namedAndSpecial = vocabulary.matcher(of: .userDefined, .control)

        var digester = Digester()
        digester.add("byte-level BPE")
        digester.add(preTokenizer.rawValue)
        vocabulary.add(to: &digester)
        digester.add(merges.count)
        for merge in merges { digester.add(merge) }
        digest = digester.digest()
    }

    private static func preTokenizer(_ file: GGUFFile) throws(TesseraError) -> PreTokenizer {
        let name = try file.stringIfPresent("tokenizer.ggml.pre") ?? "default"
        if name == "default" { return .gpt2 }
        guard let known = PreTokenizer(rawValue: name) else {
            throw TesseraError(
                .unsupported,
                "\(file.path): the pre-tokeniser \"\(name)\" can't be used; gpt-2, llama-bpe and qwen2 can")
        }
        return known
    }

    private static func byteTokens(
        _ ids: [ArraySlice<UInt8>: TokenID], _ file: GGUFFile
    ) throws(TesseraError) -> [TokenID] {
        var tokens: [TokenID] = []
        for byte in 0...255 as ClosedRange<UInt8> {
            guard let id = ids[[byte]] else {
                throw TesseraError(.unsupported, "\(file.path): the vocabulary has no token for the byte \(byte)")
            }
            tokens.append(id)
        }
        return tokens
    }

    private static func rules(
        _ merges: [String], _ ids: [ArraySlice<UInt8>: TokenID], _ file: GGUFFile
    ) throws(TesseraError) -> [(left: TokenID, right: TokenID, priority: UInt32, merged: TokenID)] {
        var rules: [(left: TokenID, right: TokenID, priority: UInt32, merged: TokenID)] = []
        rules.reserveCapacity(merges.count)
        for (rank, merge) in merges.enumerated() {
            let sides = merge.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard sides.count == 2, let left = ByteLevelAlphabet.decode(Array(sides[0])),
                let right = ByteLevelAlphabet.decode(Array(sides[1])), let leftID = ids[left[...]],
                let rightID = ids[right[...]], let merged = ids[(left + right)[...]]
            else {
                throw TesseraError(.corrupt, "\(file.path): merge \(rank) does not join two tokens to a third")
            }
            rules.append((leftID, rightID, UInt32(rank), merged))
        }
        return rules
    }

    // MARK: Encoding

    func encode(_ text: String, special: Bool) -> [TokenID] {
        var ids: [TokenID] = []
        var text = text
        pool.with { workspace in
            text.withUTF8 { bytes in
                ids.reserveCapacity(bytes.count / 4)
                (special ? namedAndSpecial : named).split(bytes) { run in
                    encodeNormalized(run, &workspace, &ids)
                } token: {
                    ids.append($0)
                }
            }
        }
        return ids
    }

    /// Qwen 2 composes characters first.
    private func encodeNormalized(
        _ run: UnsafeBufferPointer<UInt8>, _ workspace: inout EncodingWorkspace, _ ids: inout [TokenID]
    ) {
        guard preTokenizer == .qwen2, let composed = workspace.composition.composed(run) else {
            return encode(run, &workspace, &ids)
        }
        composed.withUnsafeBufferPointer { encode($0, &workspace, &ids) }
    }

    private func encode(
        _ run: UnsafeBufferPointer<UInt8>, _ workspace: inout EncodingWorkspace, _ ids: inout [TokenID]
    ) {
        let scanner = CharacterScanner(run)
        var start = 0
        while start < run.count {
            let end = preTokenizer.end(in: scanner, from: start)
            encode(piece: UnsafeBufferPointer(rebasing: run[start..<end]), &workspace, &ids)
            start = end
        }
    }

    private func encode(
        piece: UnsafeBufferPointer<UInt8>, _ workspace: inout EncodingWorkspace, _ ids: inout [TokenID]
    ) {
        let key = PieceCache.Key(piece)
        if let key, workspace.cache.append(key, to: &ids) { return }
        let first = ids.count
        if !wholes.isEmpty, let id = wholes[Array(piece)[...]] {
            ids.append(id)
        } else {
            workspace.merging.symbols.removeAll(keepingCapacity: true)
            for byte in piece { workspace.merging.symbols.append(byteTokens[Int(byte)]) }
            merger.merge(&workspace.merging)
            ids += workspace.merging.symbols
        }
        if let key { workspace.cache.store(key, ids[first...]) }
    }

    // MARK: Decoding

    func bytes(of token: TokenID, special: Bool) -> [UInt8] {
        guard contents.indices.contains(Int(token)) else { return [] }
        return switch vocabulary.kinds[Int(token)] {
        case .control, .unknown: special ? contents[Int(token)] : []
        default: contents[Int(token)]
        }
    }
}
