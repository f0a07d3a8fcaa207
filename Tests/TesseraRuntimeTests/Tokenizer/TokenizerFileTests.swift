// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRuntime

/// Vocabularies whose metadata was changed in one place.
struct TokenizerFileTests {
    typealias Metadata = [String: GGUFValue]

    private static func list(_ key: String, of metadata: inout Metadata, _ change: (inout [GGUFValue]) -> Void) {
        var elements = metadata[key]?.elements ?? []
        change(&elements)
        metadata[key] = .array(elements)
    }

    struct Damage: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let fixture: TokenizerFixture
        let code: TesseraError.Code
        let naming: String
        let change: @Sendable (inout Metadata) -> Void
    }

    static let damages: [Damage] = [
        Damage(testDescription: "another kind", fixture: .gpt2, code: .unsupported, naming: "\"bert\"") {
            $0["tokenizer.ggml.model"] = .string("bert")
        },
        Damage(testDescription: "no kind", fixture: .gpt2, code: .corrupt, naming: "tokenizer.ggml.model") {
            $0["tokenizer.ggml.model"] = nil
        },
        Damage(testDescription: "another pre-tokeniser", fixture: .qwen2, code: .unsupported, naming: "\"falcon\"") {
            $0["tokenizer.ggml.pre"] = .string("falcon")
        },
        Damage(testDescription: "too few types", fixture: .llama3, code: .corrupt, naming: "token types") {
            list("tokenizer.ggml.token_type", of: &$0) { $0.removeLast() }
        },
        Damage(testDescription: "an unknown type", fixture: .llama3, code: .corrupt, naming: "token type 7") {
            list("tokenizer.ggml.token_type", of: &$0) { $0[5] = .int32(7) }
        },
        Damage(
            testDescription: "an ending beyond the vocabulary", fixture: .spm, code: .corrupt, naming: "eos_token_id"
        ) {
            $0["tokenizer.ggml.eos_token_id"] = .uint32(100_000)
        },
        Damage(testDescription: "a token twice", fixture: .gpt2, code: .corrupt, naming: "token 301") {
            list("tokenizer.ggml.tokens", of: &$0) { $0[301] = $0[300] }
        },
        Damage(testDescription: "a piece twice", fixture: .spm, code: .corrupt, naming: "token 401") {
            list("tokenizer.ggml.tokens", of: &$0) { $0[401] = $0[400] }
        },
        Damage(testDescription: "a byte without a token", fixture: .gpt2, code: .unsupported, naming: "the byte 33") {
            list("tokenizer.ggml.tokens", of: &$0) { $0[0] = .string("gone") }
        },
        Damage(testDescription: "a merge of unknown tokens", fixture: .gpt2, code: .corrupt, naming: "merge 7") {
            list("tokenizer.ggml.merges", of: &$0) { $0[7] = .string("qq zz") }
        },
        Damage(testDescription: "a merge of one side", fixture: .gpt2, code: .corrupt, naming: "merge 7") {
            list("tokenizer.ggml.merges", of: &$0) { $0[7] = .string("a") }
        },
        Damage(testDescription: "no merges", fixture: .gpt2, code: .corrupt, naming: "tokenizer.ggml.merges") {
            $0["tokenizer.ggml.merges"] = nil
        },
        Damage(testDescription: "an empty vocabulary", fixture: .spm, code: .corrupt, naming: "0 tokens") {
            $0["tokenizer.ggml.tokens"] = .array([])
        },
        Damage(testDescription: "too few scores", fixture: .spm, code: .corrupt, naming: "scores") {
            list("tokenizer.ggml.scores", of: &$0) { $0.removeLast() }
        },
        Damage(testDescription: "a score that is no number", fixture: .spm, code: .corrupt, naming: "scores") {
            list("tokenizer.ggml.scores", of: &$0) { $0[9] = .float32(.nan) }
        },
        Damage(testDescription: "no byte fallback", fixture: .spm, code: .unsupported, naming: "byte fallback") {
            list("tokenizer.ggml.token_type", of: &$0) { types in
                types = types.map { $0 == .int32(6) ? .int32(5) : $0 }
            }
        },
        Damage(testDescription: "a byte token of no byte", fixture: .spm, code: .corrupt, naming: "byte token 2000") {
            list("tokenizer.ggml.token_type", of: &$0) { $0[2000] = .int32(6) }
        },
        Damage(
            testDescription: "a normalisation of its own", fixture: .spm, code: .unsupported, naming: "normalisation"
        ) {
            $0["tokenizer.ggml.precompiled_charsmap"] = .array([.uint8(1)])
        },
    ]

    @Test(arguments: damages) func `a contradiction is refused by name`(_ damage: Damage) throws {
        let error = #expect(throws: TesseraError.self) { try make(damage.fixture, damage.change) }
        #expect(error?.code == damage.code)
        #expect(error?.message.contains(damage.naming) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("changed.gguf") == true)
    }

    @Test func `an absent or default pre-tokeniser is GPT-2's`() throws {
        let stated = try TokenizerFixture.gpt2.tokenizer()
        for value in [nil, .string("default")] as [GGUFValue?] {
            let tokenizer = try make(.gpt2) { $0["tokenizer.ggml.pre"] = value }
            #expect(tokenizer.digest == stated.digest)
            #expect(tokenizer.encode("Don't 1234", special: false) == stated.encode("Don't 1234", special: false))
        }
    }

    @Test func `without a space in front, SentencePiece encodes a text as it is`() throws {
        let tokenizer = try make(.spm) { $0["tokenizer.ggml.add_space_prefix"] = .bool(false) }
        let prefixed = try TokenizerFixture.spm.tokenizer()
        #expect(!tokenizer.addsLeadingSpace)
        #expect(tokenizer.encode(" the house", special: false) == prefixed.encode("the house", special: false))
        #expect(tokenizer.decode(tokenizer.encode(" the house", special: false)) == " the house")
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `the digest is of all that changes an encoding`(_ fixture: TokenizerFixture) throws {
        let changes: [@Sendable (inout Metadata) -> Void] = [
            { _ in },
            { Self.list("tokenizer.ggml.tokens", of: &$0) { $0[$0.count - 1] = .string("zzz") } },
            { Self.list("tokenizer.ggml.token_type", of: &$0) { $0[$0.count - 1] = .int32(5) } },
            { $0["tokenizer.ggml.eos_token_id"] = .uint32(300) },
            { $0["tokenizer.ggml.bos_token_id"] = .uint32(301) },
        ]
        let own: [@Sendable (inout Metadata) -> Void] =
            fixture == .spm
            ? [
                { Self.list("tokenizer.ggml.scores", of: &$0) { $0.swapAt(500, 501) } },
                { $0["tokenizer.ggml.add_space_prefix"] = .bool(false) },
                { $0["tokenizer.ggml.add_bos_token"] = .bool(false) },
            ]
            : [
                { Self.list("tokenizer.ggml.merges", of: &$0) { $0.swapAt(50, 51) } },
                { $0["tokenizer.ggml.pre"] = .string(fixture == .qwen2 ? "llama-bpe" : "qwen2") },
            ]
        let digests = try (changes + own).map { try make(fixture, $0).digest }
        #expect(Set(digests).count == digests.count)
        #expect(try digests[0] == fixture.tokenizer().digest)
        #expect(try make(fixture) { $0["general.name"] = .string("other") }.digest == digests[0])
    }

    private func make(_ fixture: TokenizerFixture, _ change: (inout Metadata) -> Void) throws -> any Tokenizer {
        var metadata = try fixture.file().metadata
        change(&metadata)
        return try withTemporaryDirectory { folder in
            let path = folder.appending(path: "changed.gguf").path
            try GGUFWriter.write(to: path, metadata: metadata, tensors: [])
            return try GGUFTokenizer.make(from: GGUFFile(path: path))
        }
    }
}
