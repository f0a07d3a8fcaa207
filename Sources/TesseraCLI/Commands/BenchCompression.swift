// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraCompression
import TesseraKV

extension Bench {
    /// `tessera bench compression`: what smaller keys and values do to answers.
    struct Compression: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "compression",
            abstract: "Right answers, divergence and bytes of every press and codec, against whole keys and values.",
            discussion: """
                A line of the question file is {"system": …, "contexts": […], "questions": [{"question": …, "answers": \
                […], "kind": …}]}. With the question known, a press sees the prompt to its end; with the question \
                withheld, it sees the contexts alone, and all questions about them share what it keeps. A line of the \
                episodes is {"frames": [[…]], "questions": […]}, a frame being the numbers of its tiles.
                """)

        @Option(name: .shortAndLong, help: "The model of texts.", completion: .file(extensions: ["gguf"]))
        var model: String?

        @Option(help: "The questions about texts, one prompt a line.", completion: .file(extensions: ["jsonl"]))
        var qa: String?

        @Option(help: "The model of screenshots.", completion: .file(extensions: ["gguf"]))
        var guiModel: String?

        @Option(help: "The questions about screenshots, one episode a line.", completion: .file(extensions: ["jsonl"]))
        var episodes: String?

        @Option(help: "The picture of the tiles that episodes are made of.", completion: .file(extensions: ["png"]))
        var tiles: String?

        @OptionGroup var storeOptions: StoreOptions
        @OptionGroup var jobOptions: JobOptions

        @Option(help: "Arithmetic: auto, bf16 or fp32.")
        var precision = PrecisionName.auto

        @Option(help: "Questions of each kind. By default all.")
        var perKind: Int?

        @Option(parsing: .upToNextOption, help: "How much stays where the question is known.")
        var known = ["5%", "10%", "20%"]

        @Option(parsing: .upToNextOption, help: "How much stays where the question is withheld.")
        var withheld = ["40%", "60%", "80%"]

        @Option(parsing: .upToNextOption, help: "How much stays of screenshots.")
        var gui = ["10%", "20%", "40%"]

        @Option(
            help: "Also write a page with plots, which stands alone in a browser.",
            completion: .file(extensions: ["html"]))
        var html: String?

        @Option(help: "Also write the plots alone, as a drawing.", completion: .file(extensions: ["svg"]))
        var svg: String?

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard (model == nil) == (qa == nil), (guiModel == nil) == (episodes == nil),
                (episodes == nil) == (tiles == nil), model != nil || guiModel != nil
            else {
                throw ValidationError(
                    "give --model with --qa, or --gui-model with --episodes and --tiles, or all of them")
            }
            try validateOutputs([html, svg])
            for budget in known + withheld + gui { _ = try PressBudget(budget) }
            guard perKind ?? 1 >= 1 else { throw ValidationError("--per-kind is at least 1") }
        }

        func run() async throws {
            // What can't be opened shows before anything is asked.
            let texts = try model.map { try Caches(of: self, $0, besides: "") }
            let screens = try guiModel.map { try Caches(of: self, $0, besides: "-screens") }
            var report = CompressionReport()
            if let texts, let qa { try await ask(texts, about: qa, &report) }
            if let screens, let episodes, let tiles {
                let suite = try CompressionSuite.episodes(
                    readText(at: episodes), named: episodes, atlas: Frame(png: tiles))
                let bench = try CompressionBench.screenshots(budgets(gui), suite: "screenshots")
                try await ask(bench, suite, screens, &report)
            }
            Notices.say("codecs")
            report.codecs = try CodecBench().run()
            try Console.line(json ? try TesseraCLI.json(report) : CompressionText(report).markdown)
            let page = CompressionPage(report)
            if let html { try writeFile(Data(page.html.utf8), to: html) }
            if let svg { try writeFile(Data(page.svg.utf8), to: svg) }
        }

        /// Texts: with the question known and withheld, and what selective recompute makes of codecs.
        private func ask(_ caches: Caches, about qa: String, _ report: inout CompressionReport) async throws {
            let suite = try CompressionSuite.texts(readText(at: qa), named: qa)
            let assets = try await heads(of: caches.first)
            let benches = [
                try CompressionBench.known(budgets(known), assets: assets, suite: "text"),
                try CompressionBench.withheld(
                    budgets(withheld), bases: CompressionBench.bases(of: caches.first), suite: "text"),
            ]
            for bench in benches { try await ask(bench, suite, caches, &report) }
            Notices.say("text: which tokens selective recompute picks")
            report.recompute = try RecomputeAgreement().run(
                suite.sample(perKind: perKind), StoreCodec.allCases, on: caches.first)
        }

        private func budgets(_ texts: [String]) throws -> [PressBudget] { try texts.map { try PressBudget($0) } }

        /// A model, opened as often as prompts are asked at once.
        private struct Caches {
            let first: ContextCache
            let workers: [ContextCache]

            init(of bench: Compression, _ model: String, besides suffix: String) throws {
                let options = try ModelOptions.parse(["--model", model, "--precision", bench.precision.rawValue])
                let store = bench.storeOptions.apart("bench")
                first = try store.open(options, at: store.store + suffix)
                workers = try bench.jobOptions.workers(beside: first, model: options)
            }

            var all: [ContextCache] { workers.isEmpty ? [first] : workers }
        }

        private func ask(
            _ bench: CompressionBench, _ suite: CompressionSuite, _ caches: Caches,
            _ report: inout CompressionReport
        ) async throws {
            let sample = suite.sample(perKind: perKind)
            try await bench.run(sample, on: caches.all, into: &report) { done in
                if done % 20 == 0 { Notices.say("\(bench.suite): \(done) of \(sample.items.count) prompts") }
            }
        }

        /// The model's retrieval heads, measured now where they never were, or by an earlier version.
        private func heads(of cache: ContextCache) async throws -> HeadAssets {
            do {
                if let known = try await cache.headAssets() { return known }
            } catch  where error.code == .unsupported {
                Notices.say(error.message)
            }
            Notices.say("measuring the model's retrieval heads (tessera calibrate heads)")
            let assets = try HeadCalibration().run(
                Array(QualitySuite.builtIn.prefix(HeadCalibration.usualQuestions)), on: cache,
                progress: Notices.calibration)
            try await cache.keep(assets)
            return assets
        }
    }
}
