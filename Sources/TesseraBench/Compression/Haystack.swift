// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraKV

/// Makes long prompts of a suite's questions: between the contexts of a question, whose order stays, stand those of others,
/// which say nothing about it, as a needle lies in a haystack.
struct Haystack {
    private let questions: [QualityQuestion]
    private let lengths: [[Int]]
    private let tokens: Int

    /// - Parameter tokens: What a prompt's contexts come to, where the other questions have as many.
    init(_ questions: [QualityQuestion], tokens: Int, tokenizer: any Tokenizer) {
        self.questions = questions
        self.tokens = tokens
        lengths = questions.map { $0.contexts.map { tokenizer.encode($0, special: false).count } }
    }

    /// The prompt of a question. The same number gives the same prompt.
    func prompt(of number: Int) -> Prompt {
        let question = questions[number]
        var contexts: [String] = []
        var count = lengths[number].reduce(0, +)
        var seen = Set(question.contexts)
        others: for step in 1..<max(1, questions.count) {
            let other = (number + step) % questions.count
            for (context, length) in zip(questions[other].contexts, lengths[other]) {
                guard count < tokens else { break others }
                guard seen.insert(context).inserted else { continue }
                contexts.append(context)
                count += length
            }
        }
        var random = SplitMix64(seed: UInt64(number))
        let places = question.contexts.map { _ in Int.random(in: 0...contexts.count, using: &random) }.sorted()
        for (context, place) in zip(question.contexts, places).reversed() { contexts.insert(context, at: place) }
        return Prompt(system: question.system, contexts: contexts, question: question.question)
    }
}
