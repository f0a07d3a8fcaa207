// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraCompression
import TesseraKV

/// `tessera calibrate`: what is measured of a model.
struct Calibrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what parallel contexts and presses want to know of a model.",
        subcommands: [CalibrateParallel.self, CalibrateHeads.self], defaultSubcommand: CalibrateParallel.self)
}

/// `tessera calibrate parallel`: what parallel contexts want of a model.
struct CalibrateParallel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parallel",
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

/// `tessera calibrate heads`: what CompressKV wants of a model.
struct CalibrateHeads: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heads",
        abstract: "Find the heads that gather answers, and what eviction costs each layer.",
        discussion: """
            A head's score is the attention that it pays, while a right answer is written, to the sentence that the answer \
            is made of, among contexts of other questions. A layer's eviction cost is how much of the answer is \
            lost (1 - exp(-KL)) when that layer alone forgets the rest of the prompt, for several shares that it keeps; \
            beside it stands how far the layer's own output is off, of all layers' errors, which the paper goes by. The questions are \
            those of the quality gate, or of a file with lines {"system": …, "contexts": […], "question": …, "answers": \
            […], "kind": …}. The outcome belongs to the model's exact weights, and is used by --press compresskv from \
            then on.
            """)

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var storeOptions: StoreOptions

    @Option(help: "A file of questions in the place of the built-in suite.", completion: .file(extensions: ["jsonl"]))
    var qa: String?

    @Option(help: "How many questions are asked.")
    var questions = HeadCalibration.usualQuestions

    @Flag(help: "Print the outcome as JSON.")
    var json = false

    func validate() throws {
        guard questions >= HeadCalibration.leastSamples else {
            throw ValidationError("--questions is at least \(HeadCalibration.leastSamples)")
        }
    }

    func run() async throws {
        let cache = try storeOptions.open(modelOptions)
        let suite = try qa.map { try QualitySuite.read(readText(at: $0), named: $0) } ?? QualitySuite.builtIn
        let assets = try HeadCalibration().run(Array(suite.prefix(questions)), on: cache, progress: Notices.calibration)
        try await cache.keep(assets)
        if json {
            try Console.line(try TesseraCLI.json(assets))
            return
        }
        var table = Table(
            ["layer", "heads, best first", "their scores"]
                + assets.costs.shares.map { "cost at \(Int((100 * $0).rounded())) %" } + ["of its output"])
        for (layer, scores) in assets.scores.enumerated() {
            let heads = bestHeads(4, of: scores)
            table.rows.append(
                [
                    "\(layer)", heads.map(String.init).joined(separator: " "),
                    heads.map { String(format: "%.2f", scores[$0]) }.joined(separator: " "),
                ] + assets.costs.layers[layer].map { String(format: "%.4f", $0) } + [
                    String(format: "%.3f", assets.outputErrors[layer])
                ])
        }
        try Console.line(table.text + "\n\n\(assets.samples) answers were counted")
    }
}
