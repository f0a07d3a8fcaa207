// SPDX-License-Identifier: Apache-2.0

/// Makes figures of what came of questions.
struct CompressionTally {
    private let bench: CompressionBench
    private let asked: [CompressionBench.Asked]
    private let fp16: Int

    /// - Parameter fp16: Bytes of a token's keys and values in fp16.
    init(_ bench: CompressionBench, _ asked: [CompressionBench.Asked], fp16: Int) {
        self.bench = bench
        self.asked = asked
        self.fp16 = fp16
    }

    /// The whole KV first, then each method.
    var results: [CompressionReport.Result] {
        [result("whole", budget: nil, codec: nil, whole)]
            + bench.methods.enumerated().map { index, method in
                let isCodec = method.budget == nil
                return result(
                    method.name, budget: method.budget, codec: isCodec ? method.name : nil,
                    asked.map { $0.outcomes[index] })
            }
    }

    /// The paper's method against each of the others at the same budget.
    var comparisons: [CompressionReport.Comparison] {
        var comparisons: [CompressionReport.Comparison] = []
        for (first, method) in bench.methods.enumerated() where ["compresskv", "gui-kv"].contains(method.name) {
            for (second, other) in bench.methods.enumerated() where first != second && other.budget == method.budget {
                comparisons.append(
                    CompressionReport.Comparison(
                        suite: bench.suite, questionKnown: bench.questionKnown, budget: method.budget ?? "",
                        method: method.name, than: other.name,
                        ahead: PairedBootstrap(
                            asked.map { $0.outcomes[first].answer.isRight },
                            against: asked.map { $0.outcomes[second].answer.isRight }, clusters: asked.map(\.prompt))))
            }
        }
        return comparisons
    }

    private var whole: [CompressionBench.Outcome] {
        asked.map { asked in
            CompressionBench.Outcome(
                answer: .init(isRight: asked.isRight, isSame: true, divergence: 0), bytes: Double(fp16), share: 1)
        }
    }

    private func result(
        _ name: String, budget: String?, codec: String?, _ outcomes: [CompressionBench.Outcome]
    ) -> CompressionReport.Result {
        let right = outcomes.map(\.answer.isRight)
        let bytes = mean(outcomes.map(\.bytes))
        let speeds = outcomes.compactMap(\.speed)
        return CompressionReport.Result(
            suite: bench.suite, method: name, budget: budget, codec: codec, questionKnown: bench.questionKnown,
            exactMatch: Dictionary(grouping: zip(asked, right), by: \.0.kind).mapValues { pairs in
                Double(pairs.count { $0.1 }) / Double(pairs.count)
            },
            stepAccuracy: Double(right.count { $0 }) / Double(max(1, right.count)),
            loss: PairedBootstrap(asked.map(\.isRight), against: right, clusters: asked.map(\.prompt)),
            klMean: mean(outcomes.map(\.answer.divergence)),
            klP95: quantile(0.95, of: outcomes.map(\.answer.divergence)),
            bytesPerToken: bytes, ratioToFP16: bytes / Double(fp16), attentionSaved: 1 - mean(outcomes.map(\.share)),
            decodeSpeed: speeds.isEmpty ? nil : median(speeds))
    }
}
