import Tessera

// A folder of documents, a model, a store: all that an app needs.
let cache = try ContextCache(model: "Fixtures/models/rag-mini.gguf", store: "rag-cache")

// Cut the documents into chunks and compute the KV of those that are not in the store yet.
let documents = try cache.documentIndex(options: ChunkingOptions(limit: 128, paragraphs: .separate))
try documents.sync(["Fixtures/corpus"])
try await cache.warm(documents)

// Ask: the retrieved chunks' KV is stitched into the prompt, 15 % of their tokens are computed anew. Without an assembly
// of your own, what `tessera gate` has passed for the model is used; `ungated` takes this one on your own account.
let options = AskOptions(
    limit: 4, answer: AnswerOptions(assembly: .stitched(.deviation, ratio: 0.15), ungated: true))
let result = try await cache.ask("In which town does Adona Walman live?", of: documents, options: options) { piece in
    print(piece, terminator: "")
}

let report = result.answer.report
print("\nfrom", result.sources.map(\.source.document))
print(report.reusedTokens, "tokens reused,", report.recomputedTokens, "recomputed,", report.timeToFirstToken, "s")
