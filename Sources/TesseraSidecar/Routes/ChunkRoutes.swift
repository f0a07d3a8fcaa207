// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOFoundationCompat
internal import Tessera
internal import TesseraAPI
internal import TesseraKV
internal import TesseraStore

extension SidecarState {
    /// The records of a tenant.
    var chunkRoutes: [Route] {
        [
            .get("/v1/chunks") { request, context in .json(ListOf(try await self.list(request, context))) },
            .post("/v1/chunks") { request, context in try await self.importChunk(request, context) },
            .get("/v1/chunks/{id}") { _, context in
                let key = try ChunkKey(id: context.parameter("id"))
                return .json(try await self.detail(key, context.requireCaller()))
            },
            .delete("/v1/chunks/{id}") { _, context in
                let key = try ChunkKey(id: context.parameter("id"))
                try await self.delete(key, context.requireCaller())
                return Response(status: .noContent)
            },
            .post("/v1/chunks/pin") { request, context in
                try await self.changePins(request, context) { (store, keys) throws(TesseraError) in try store.pin(keys)
                }
            },
            .post("/v1/chunks/unpin") { request, context in
                try await self.changePins(request, context) { (store, keys) throws(TesseraError) in
                    try store.unpin(keys)
                }
            },
        ]
    }

    private func list(_ request: Request, _ context: SidecarContext) async throws -> [ChunkEntry] {
        let caller = try context.requireCaller()
        let query = request.uri.queryParameters
        var filter = EntryFilter()
        filter.namespace = caller.tenant.namespace
        if let kind = query.get("kind") {
            guard let provenance = ChunkEntry.provenance(of: kind) else {
                throw Self.refusal("kind", "is chunk, prefix or variant")
            }
            filter.provenance = provenance
        }
        if let producer = query.get("producer") {
            do throws(TesseraError) {
                filter.fingerprint = try caches.cache(of: caller.tenant, producer: producer).digest
            } catch {
                guard error.code == .notFound else { throw error }
                return []
            }
        }
        if let digits = query.get("begins") {
            guard (1...64).contains(digits.utf8.count), digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
                throw Self.refusal("begins", "is 1 to 64 hexadecimal digits")
            }
            filter.beginsWith = digits
        }
        guard let order = EntryOrder(rawValue: query.get("order") ?? "used") else {
            throw Self.refusal("order", "is used, created, size or uses")
        }
        guard let limit = query.get("limit").map({ Int($0) }) ?? 50, (1...1000).contains(limit) else {
            throw Self.refusal("limit", "is between 1 and 1000")
        }
        let wanted = filter
        return try await caller.cache.reading { (store) throws(TesseraError) in
            try store.entries(wanted, order: order, limit: limit).map(ChunkEntry.init)
        }
    }

    private func detail(_ key: ChunkKey, _ caller: Caller) async throws -> ChunkDetail {
        let namespace = caller.tenant.namespace
        return try await caller.cache.reading { (store) throws(TesseraError) in
            let record = try own(key, store, namespace)
            let use = try store.use(of: key)
            let variants = try store.variants(of: key, fingerprint: record.fingerprint, tokens: record.tokens)
            return ChunkDetail(
                entry: ChunkEntry(
                    id: key.description, kind: ChunkEntry.kind(of: record.provenance),
                    fingerprint: record.fingerprint.description, tokens: record.tokens.count,
                    bytes: record.byteCount, codec: record.codec, created: Double(record.created) / 1e6,
                    lastUsed: Double(use?.last ?? record.created) / 1e6, uses: use?.count ?? 0,
                    pinned: try store.isPinned(key), kept: record.kept?.count),
                tokenIds: record.tokens, behind: try store.behind(record).map(\.description),
                variants: variants.map(\.key.description))
        }
    }

    private func delete(_ key: ChunkKey, _ caller: Caller) async throws {
        let namespace = caller.tenant.namespace
        try await caller.cache.reading { (store) throws(TesseraError) in
            let record = try own(key, store, namespace)
            let variants = try store.variants(of: key, fingerprint: record.fingerprint, tokens: record.tokens)
            try store.remove([key] + variants.map(\.key))
        }
        await caller.cache.forget(key)
    }

    private func changePins(
        _ request: Request, _ context: SidecarContext,
        _ change: @escaping @Sendable (ChunkStore, [ChunkKey]) throws(TesseraError) -> Void
    ) async throws -> Response {
        let caller = try context.requireCaller()
        let ids = try await body(ChunkIDs.self, request, context).ids
        try checkCount(ids.count, "ids")
        let keys = try ids.map { try ChunkKey(id: $0) }
        let namespace = caller.tenant.namespace
        try await caller.cache.reading { (store) throws(TesseraError) in
            for key in keys { _ = try own(key, store, namespace) }
            try change(store, keys)
        }
        return .json(ChunkCount(records: Set(keys).count))
    }

    private func importChunk(_ request: Request, _ context: SidecarContext) async throws -> Response {
        let caller = try context.requireCaller()
        let imported = try await imports.pass {
            let bytes = try await bytes(request, context, upTo: configuration.mostImportBytes)
            let data = Data(buffer: bytes)
            let file = try await caller.cache.reading { (_) throws(TesseraError) in try ImportFile(data) }
            // A name is taken down once something of it is kept, and a fingerprint is cheap to compare.
            guard file.fingerprint == caches.first.engineDigest else {
                throw TesseraError(
                    .invalidInput,
                    "the KV states the fingerprint \(file.fingerprint), and this server's model has "
                        + "\(caches.first.engineDigest)")
            }
            return try await caches.withCache(of: caller.tenant, newProducer: file.producer) {
                (cache) throws(TesseraError) in try await cache.take(file)
            }
        }
        guard let imported else {
            var failure = APIFailure(.tooManyRequests, "another import is under way", code: "busy")
            failure.retryAfter = 1
            throw failure
        }
        return .json(
            ImportedChunk(
                id: imported.key.description, tokens: imported.tokens, bytes: imported.byteCount, stored: imported.isNew
            ),
            status: imported.isNew ? .created : .ok)
    }

    private static func refusal(_ field: String, _ what: String) -> APIFailure {
        APIFailure(.badRequest, "\(field) \(what)", code: "invalidInput", param: field)
    }
}

/// A record of a namespace; one of another is as unknown as one that is not there.
private func own(_ key: ChunkKey, _ store: ChunkStore, _ namespace: String) throws(TesseraError) -> StoredChunk {
    guard let record = try store.record(key, namespace: namespace), record.namespace == namespace else {
        throw TesseraError(.notFound, "there is no chunk \(key) here")
    }
    return record
}

extension ChunkEntry {
    /// What records are called.
    static func kind(of provenance: Provenance) -> String {
        switch provenance {
        case .isolated: "chunk"
        case .prefix: "prefix"
        case .contextual: "variant"
        }
    }

    /// The records that are called so; nil where none are.
    static func provenance(of kind: String) -> Provenance? {
        Provenance.allCases.first { self.kind(of: $0) == kind }
    }

    fileprivate init(_ entry: StoreEntry) {
        self.init(
            id: entry.key.description, kind: Self.kind(of: entry.provenance),
            fingerprint: entry.fingerprint.description, tokens: entry.tokens, bytes: entry.byteCount,
            codec: entry.codec, created: Double(entry.created) / 1e6, lastUsed: Double(entry.lastUsed) / 1e6,
            uses: entry.uses, pinned: entry.isPinned, kept: entry.kept)
    }
}
