// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraKV
import TesseraRuntime

/// `tessera tokenize`: a text's token ids, for anyone who checks us from outside.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the token ids of a text.",
        discussion:
            "The text comes as an argument, from --file, or from standard input. Ids are printed as a JSON list.")

    @Option(name: .shortAndLong, help: "The model: a GGUF file.", completion: .file(extensions: ["gguf"]))
    var model: String

    @Argument(help: "The text.")
    var text: String?

    @Option(help: "A file with the text; - for standard input.", completion: .file())
    var file: String?

    @Flag(help: "Let the names of special tokens in the text stand for these tokens.")
    var special = false

    @Flag(help: "The text is a JSON list of ids; print the text that they stand for.")
    var decode = false

    func validate() throws {
        guard text == nil || file == nil else { throw ValidationError("give either a text or --file") }
    }

    func run() throws {
        let tokenizer = try GGUFTokenizer.make(from: GGUFFile(path: model))
        let input = try text ?? readText(at: file ?? "-")
        if decode {
            let ids = try readJSON([TokenID].self, from: Data(input.utf8), named: file ?? "the argument")
            if let stranger = ids.first(where: { tokenizer.bytes(of: $0, special: true).isEmpty }) {
                throw TesseraError(.invalidInput, "\(stranger) is not the id of a token of this model")
            }
            try Console.line(tokenizer.decode(ids))
        } else {
            try Console.line(try compactJSON(tokenizer.encode(input, special: special)))
        }
    }
}

/// A value as JSON on one line.
private func compactJSON(_ value: some Encodable) throws -> String {
    String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
}
