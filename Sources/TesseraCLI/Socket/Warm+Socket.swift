// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera
import TesseraAPI
import TesseraClient
import TesseraKV
import TesseraRetrieval

extension Warm {
    /// Has a server compute what it lacks: documents are cut here, by its tokenizer.
    func run(_ client: TesseraClient) async throws {
        let index = try await RemoteIndex(client, paths, chunkOptions.value).index
        let documents = try index.documents(under: paths)
        let total = documents.reduce(0) { $0 + $1.chunks }
        let start = ContinuousClock.now
        var progress = ProgressLine(total: total)
        var outcome = SocketOutcome(documents: documents.count)
        var page: [ChunkReference] = []
        func send() async throws {
            let before = outcome
            for try await job in client.jobEvents(try await client.warm(WarmRequest(chunks: page, system: system)).id) {
                outcome = before.adding(job)
                progress.show(outcome.chunks, "\(outcome.tokens) tokens, \(readable(bytes: outcome.bytes))")
                guard job.state != .failed, job.state != .cancelled else {
                    throw TesseraError(
                        .io,
                        "the server stopped the warm-up: \(job.error?.message ?? "it was cancelled"); run it again "
                            + "to go on")
                }
            }
            page = []
        }
        for try await chunk in try index.chunks(under: paths) {
            page.append(.tokens(chunk.tokens))
            if page.count == Self.pageSize { try await send() }
        }
        if !page.isEmpty || system != nil { try await send() }
        outcome.seconds = (ContinuousClock.now - start) / .seconds(1)
        if json { return try Console.line(try TesseraCLI.json(outcome)) }
        try Console.line(
            """
            documents  \(outcome.documents)
            chunks     \(outcome.chunks)
            computed   \(outcome.tokens) tokens, \(readable(bytes: outcome.bytes)) in \(readable(seconds: outcome.seconds))
            """)
    }

    /// Chunks of one request: some megabytes of ids at most.
    private static let pageSize = 512
}

/// What a warm-up by a server came to.
private struct SocketOutcome: Encodable {
    var documents: Int
    var chunks = 0
    /// Tokens and bytes that were computed for it.
    var tokens = 0
    var bytes = 0
    var seconds = 0.0

    func adding(_ job: Job) -> SocketOutcome {
        var sum = self
        sum.chunks += job.chunksDone
        sum.tokens += job.tokens
        sum.bytes += job.bytes
        return sum
    }
}
