// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Tessera
internal import TesseraAPI
internal import TesseraKV
internal import TesseraRetrieval

extension SidecarState {
    /// Warm-ups.
    var jobRoutes: [Route] {
        [
            .post("/v1/warm") { request, context in
                let caller = try context.requireCaller()
                let wanted = try await self.body(WarmRequest.self, request, context)
                let work = try await context.whileHeard { try await self.work(wanted, on: caller.cache) }
                return .json(try self.jobs.add(work, namespace: caller.tenant.namespace), status: .accepted)
            },
            .get("/v1/jobs") { _, context in .json(ListOf(self.jobs.jobs(of: try context.namespace()))) },
            .get("/v1/jobs/{id}") { _, context in
                .json(try self.jobs.job(context.parameter("id"), of: context.namespace()))
            },
            .get("/v1/jobs/{id}/events") { _, context in
                let events = try self.jobs.events(context.parameter("id"), of: context.namespace())
                return EventStream.response { stream in
                    for await job in events { try await stream.send(job) }
                }
            },
            .post("/v1/jobs/{id}/cancel") { _, context in
                .json(try self.jobs.cancel(context.parameter("id"), of: context.namespace()))
            },
            .post("/v1/jobs/{id}/resume") { _, context in
                .json(try self.jobs.resume(context.parameter("id"), of: context.namespace()), status: .accepted)
            },
        ]
    }

    private func work(_ wanted: WarmRequest, on cache: ContextCache) async throws -> WarmWork {
        try checkCount(wanted.documents?.count ?? 0, "documents")
        try checkCount(wanted.chunks?.count ?? 0, "chunks")
        guard wanted.system?.utf8.count ?? 0 <= 1 << 20 else {
            throw APIFailure(.badRequest, "the system text is larger than 1 MiB", code: "tooLong", param: "system")
        }
        let chunking = try ChunkingOptions(wanted.chunking ?? .init())
        var chunks: [[TokenID]] = []
        var documents: [Job.Document] = []
        for (number, source) in (wanted.documents ?? []).enumerated() {
            guard let format = DocumentFormat(rawValue: source.format ?? "text") else {
                throw APIFailure(
                    .badRequest, "a document's format is text, markdown or html, not \(source.format ?? "")",
                    code: "invalidInput", param: "documents[\(number)].format")
            }
            try Task.checkCancellation()
            guard source.id?.utf8.count ?? 0 <= 1024 else {
                throw APIFailure(
                    .badRequest, "a document's id has at most 1024 bytes", code: "invalidInput",
                    param: "documents[\(number)].id")
            }
            let cut = try await cache.cut(source.text, format: format, options: chunking)
            documents.append(.init(id: source.id, chunks: cut.map { cache.key(of: $0).description }))
            chunks += cut
        }
        var given: [[TokenID]] = []
        for reference in wanted.chunks ?? [] {
            if case .id = reference {
                throw APIFailure(
                    .badRequest, "a warm-up wants a chunk's text or tokens: an id is of one that is there",
                    code: "invalidInput", param: "chunks")
            }
            let tokens = try await reference.tokens(on: cache)
            guard tokens.count <= cache.longestChunk else {
                throw TesseraError(
                    .tooLong, "a chunk has \(tokens.count) tokens, and the model's context leaves \(cache.longestChunk)"
                )
            }
            if !tokens.isEmpty { given.append(tokens) }
        }
        if !given.isEmpty { documents.append(.init(id: nil, chunks: given.map { cache.key(of: $0).description })) }
        var seen: Set<[TokenID]> = []
        return WarmWork(
            cache: cache, chunks: (chunks + given).filter { seen.insert($0).inserted }, system: wanted.system,
            documents: documents)
    }
}

extension ChunkingOptions {
    /// The options that a client asks for.
    fileprivate init(_ wanted: WarmRequest.Chunking) throws(APIFailure) {
        self.init()
        if let word = wanted.paragraphs {
            guard let paragraphs = Paragraphs(rawValue: word) else {
                throw APIFailure(
                    .badRequest, "paragraphs are packed or separate, not \(word)", code: "invalidInput",
                    param: "chunking.paragraphs")
            }
            self.paragraphs = paragraphs
        }
        limit = wanted.limit ?? limit
        overlap = wanted.overlap ?? overlap
        guard limit >= Self.smallestLimit, (0...1000).contains(overlap) else {
            throw APIFailure(
                .badRequest, "a chunk's limit is at least \(Self.smallestLimit) tokens, an overlap 0 to 1000 sentences",
                code: "invalidInput", param: "chunking")
        }
    }
}

extension SidecarContext {
    /// The namespace of the tenant whom the request belongs to.
    fileprivate func namespace() throws -> String {
        try requireCaller().tenant.namespace
    }
}
