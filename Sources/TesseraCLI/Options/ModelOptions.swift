// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tessera
import TesseraRuntime

/// The precision of the engine, as it is written on the command line.
enum PrecisionName: String, ExpressibleByArgument, CaseIterable {
    case auto, bf16, fp32

    var value: CPUEngine.Options.Precision {
        switch self {
        case .auto: .automatic
        case .bf16: .bf16
        case .fp32: .fp32
        }
    }
}

/// Options of every command that loads a model.
struct ModelOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: "The model: a GGUF file of the llama architecture.",
        completion: .file(extensions: ["gguf"]))
    var model: String?

    @Option(help: "Arithmetic: auto, bf16 or fp32. Auto is bf16 where the processor has it.")
    var precision = PrecisionName.auto

    @Option(help: "Threads that compute. By default one per core.")
    var threads: Int?

    @Flag(help: "Digest the model's weights anew, though the file looks the same as before.")
    var verifyModel = false

    @Option(
        help: ArgumentHelp(
            "Lay the prompt out by this text or file, in the place of the model's own chat template.",
            discussion: "It holds {contexts} and {question}, and {system} where the system text belongs."))
    var template: String?

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads is between 1 and 1024") }
    }

    /// Its options, and whether each differs from what it is when it is left out.
    var given: [(name: String, isGiven: Bool)] {
        [
            ("--model", model != nil), ("--precision", precision != .auto), ("--threads", threads != nil),
            ("--verify-model", verifyModel), ("--template", template != nil),
        ]
    }

    /// The model's file.
    func file() throws -> String {
        guard let model else { throw ValidationError("a model is missing: give --model <file>") }
        return model
    }
}
