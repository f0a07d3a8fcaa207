// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraKV

/// `tessera calibrate`: what parallel contexts want of a model.
struct Calibrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure the temperature and scale of parallel contexts for a model.",
        discussion: """
            Those are kept under which the model's next-token distributions are nearest to those of a full prefill (KL), \
            on a few dozen prompts; no right answers are needed. The prompts are those of the quality gate, or of a file \
            with lines {"system": …, "contexts": […], "question": …, "answers": […], "kind": …}. They belong to the model, \
            the precision and the recipe, and are used by --assembly parallel from then on.
            """)

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var storeOptions: StoreOptions

    @Option(help: "A file of questions in the place of the built-in suite.", completion: .file(extensions: ["jsonl"]))
    var qa: String?

    @Option(help: "How many prompts are compared.")
    var prompts = 32

    @Flag(help: "Print the outcome as JSON.")
    var json = false

    func validate() throws {
        guard prompts >= ParallelCalibration.leastPrompts else {
            throw ValidationError("--prompts is at least \(ParallelCalibration.leastPrompts)")
        }
    }

    func run() async throws {
        let cache = try storeOptions.open(modelOptions)
        let suite = try qa.map { try QualitySuite.read(readText(at: $0), named: $0) } ?? QualitySuite.builtIn
        let chosen = suite.filter { $0.contexts.count > 1 }.prefix(prompts).map(\.prompt)
        let settings = try await ParallelCalibration().run(chosen, on: cache) { Notices.say("\($0)") }
        try await cache.keep(settings)
        if json {
            try Console.line(try TesseraCLI.json(settings))
            return
        }
        try Console.line(
            """
            temperature  \(String(format: "%.2f", settings.temperature))
            scale        \(String(format: "%.2f", settings.scale))
            KL           \(String(format: "%.4f", settings.kl)) to a full prefill, \
            \(String(format: "%.4f", settings.plainKL)) with 1 and 1, on \(settings.prompts) prompts
            """)
    }
}
