// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What all kinds of tokenizers have in a model file: tokens with their types, and which of them begin and end texts.
struct Vocabulary: Sendable {
    /// What a token stands for, by its code in `tokenizer.ggml.token_type`.
    enum Kind: Int, Sendable {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    /// The tokens as they are written in the file, in UTF-8.
    let tokens: [[UInt8]]
    let kinds: [Kind]
    let beginning: TokenID?
    let endings: Set<TokenID>
    let addsBeginning: Bool

    /// - Parameter addsBeginning: Whether texts begin with the beginning token where the file doesn't say.
    init(_ file: GGUFFile, addsBeginning: Bool) throws(TesseraError) {
        let texts = try file.strings("tokenizer.ggml.tokens")
        guard !texts.isEmpty, texts.count < 1 << 30 else {
            throw TesseraError(.corrupt, "\(file.path): a vocabulary of \(texts.count) tokens")
        }
        tokens = texts.map { Array($0.utf8) }
        kinds = try Self.kinds(file, count: texts.count)
        beginning = try Self.id("bos", file, count: texts.count)
        let stated = try file.boolIfPresent("tokenizer.ggml.add_bos_token")
        self.addsBeginning = beginning != nil && (stated ?? addsBeginning)
        var endings: Set<TokenID> = []
        for name in ["eos", "eot", "eom"] {
            if let ending = try Self.id(name, file, count: texts.count) { endings.insert(ending) }
        }
        for (id, text) in texts.enumerated() where kinds[id] == .control && Self.endingNames.contains(text) {
            endings.insert(TokenID(id))
        }
        self.endings = endings
    }

    /// Control tokens that end an answer wherever they are there: most files name only one of theirs as such.
    private static let endingNames: Set<String> = [
        "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>", "<end_of_turn>", "<|end|>",
    ]

    private static func kinds(_ file: GGUFFile, count: Int) throws(TesseraError) -> [Kind] {
        guard let codes = try file.intsIfPresent("tokenizer.ggml.token_type") else {
            return Array(repeating: .normal, count: count)
        }
        guard codes.count == count else {
            throw TesseraError(.corrupt, "\(file.path): \(count) tokens, but \(codes.count) token types")
        }
        var kinds: [Kind] = []
        kinds.reserveCapacity(count)
        for code in codes {
            guard let kind = Kind(rawValue: code) else {
                throw TesseraError(.corrupt, "\(file.path): unknown token type \(code)")
            }
            kinds.append(kind)
        }
        return kinds
    }

    private static func id(_ name: String, _ file: GGUFFile, count: Int) throws(TesseraError) -> TokenID? {
        let key = "tokenizer.ggml.\(name)_token_id"
        guard let id = try file.intIfPresent(key) else { return nil }
        guard (0..<count).contains(id) else {
            throw TesseraError(.corrupt, "\(file.path): \(key) is \(id), but there are \(count) tokens")
        }
        return TokenID(id)
    }

    /// The ids of all tokens of some kinds.
    func ids(of wanted: Kind...) -> [TokenID] {
        kinds.indices.filter { wanted.contains(kinds[$0]) }.map { TokenID($0) }
    }

    /// Finds the written forms of all tokens of some kinds in texts.
    func matcher(of wanted: Kind...) -> TokenMatcher {
        TokenMatcher(kinds.indices.filter { wanted.contains(kinds[$0]) }.map { (tokens[$0], TokenID($0)) })
    }

    func add(to digester: inout Digester) {
        digester.add(tokens.count)
        for (token, kind) in zip(tokens, kinds) {
            digester.add(token.count)
            token.withUnsafeBytes { digester.add(bytes: $0) }
            digester.add(kind.rawValue)
        }
        digester.add(beginning ?? -1)
        digester.add(endings.sorted())
        digester.add(addsBeginning ? 1 : 0)
    }
}
