// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import TesseraKV
public import TesseraRetrieval

/// How a question is turned into a prompt.
public struct AskOptions: Sendable {
    /// The most chunks that are retrieved.
    public var limit: Int
    /// The instructions in front of the chunks; nil for none.
    public var system: String?
    /// How the prompt is assembled and the answer written.
    public var answer: AnswerOptions

    /// The system text that is used unless another is given.
    public static let defaultSystem = "Answer the question from the reports below.\n\n"

    /// Makes options; each has a default.
    public init(limit: Int = 6, system: String? = AskOptions.defaultSystem, answer: AnswerOptions = .init()) {
        self.limit = limit
        self.system = system
        self.answer = answer
    }
}

/// An answer with the chunks that it was given.
public struct SourcedAnswer: Sendable {
    /// The answer and its report.
    public var answer: Answer
    /// The chunks in prompt order.
    public var sources: [RetrievedChunk]

    /// An answer with its chunks.
    public init(answer: Answer, sources: [RetrievedChunk]) {
        (self.answer, self.sources) = (answer, sources)
    }
}

extension ContextCache {
    /// Retrieves chunks for a question, puts them in reading order behind the system text, and answers.
    ///
    /// Where not all of them fit the model's context beside the answer, the last of the retriever's list are left out.
    ///
    /// - Parameters:
    ///   - question: The question, which ends the prompt as it is.
    ///   - retriever: Where chunks come from.
    ///   - options: How many, behind what, and how to answer.
    ///   - onText: Gets each piece of the answer as soon as it is known.
    /// - Throws: ``TesseraError`` as ``answer(_:options:onText:)``, and what the retriever throws.
    public func ask(
        _ question: String, of retriever: any Retriever, options: AskOptions = .init(),
        onText: (@Sendable (String) -> Void)? = nil
    ) async throws -> SourcedAnswer {
        var watch = Stopwatch()
        let hits = try await retriever.retrieve(question, limit: options.limit)
        let fitting = hits.prefix(try hitsThatFit(hits, question, options))
        if fitting.count < hits.count {
            log.notice(
                "\(hits.count - fitting.count) of \(hits.count) chunks are left out: the model's context is full")
        }
        let sources = readingOrder(Array(fitting))
        let prompt = Prompt(system: options.system, contexts: sources.map(\.text), question: question)
        let seconds = watch.lap()
        var answer = try await answer(prompt, options: options.answer, onText: onText)
        answer.report.stages.retrieve = seconds
        answer.report.timeToFirstToken += seconds
        return SourcedAnswer(answer: answer, sources: sources)
    }

    /// How many hits leave room for an answer of the length that is asked for, or for an eighth of the context,
    /// if that is less.
    private func hitsThatFit(_ hits: [RetrievedChunk], _ question: String, _ options: AskOptions) throws(TesseraError)
        -> Int
    {
        let rest = Prompt(system: options.system, contexts: [], question: question)
        let answer = min(options.answer.maximumTokens, model.contextLength / 8)
        let budget = try model.contextLength - answer - promptTokens(rest).ids.count
        return contextsThatFit(
            hits.map { tokenizer.encode($0.text, special: false).count }, budget: budget)
    }
}
