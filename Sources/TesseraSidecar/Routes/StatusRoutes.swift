// SPDX-License-Identifier: Apache-2.0

internal import CDocuments
internal import Foundation
internal import Hummingbird
internal import NIOCore
internal import Tessera
internal import TesseraAPI
internal import TesseraKV
internal import TesseraStore

extension SidecarState {
    /// How the server does, and what it can do.
    var statusRoutes: [Route] {
        [
            .get("/healthz", isOpen: true) { _, _ in .text("ok\n") },
            .get("/readyz", isOpen: true) { _, _ in
                self.isDraining ? .text("draining\n", status: .serviceUnavailable) : .text("ok\n")
            },
            .get("/openapi.json", isOpen: true) { _, _ in
                .text(OpenAPIDocument.text, type: "application/json")
            },
            .get("/metrics") { _, context in
                try context.requireCaller().requireAdministrator()
                return .text(self.metrics.registry.render(), type: PrometheusRegistry.contentType)
            },
            .get("/v1/stats") { _, context in .json(try await self.statistics(context.requireCaller())) },
            .get("/v1/digest") { _, context in
                let caller = try context.requireCaller()
                let namespace = caller.tenant.namespace
                let content = try await caller.cache.reading { (store) throws(TesseraError) in
                    try store.contentDigest(namespace: namespace)
                }
                return .json(ContentDigest(digest: content.digest.description, records: content.records))
            },
        ]
    }

    private func statistics(_ caller: Caller) async throws -> TesseraAPI.Statistics {
        let (namespace, isAdministrator) = (caller.tenant.namespace, caller.tenant.isAdministrator)
        return try await caller.cache.reading { (store) throws(TesseraError) in
            let found = try store.statistics()
            let rows = found.tallies.filter { isAdministrator || $0.namespace == namespace }.map {
                TesseraAPI.Statistics.Row(
                    namespace: $0.namespace, kind: ChunkEntry.kind(of: $0.provenance), records: $0.records,
                    tokens: $0.tokens, bytes: $0.byteCount)
            }
            guard isAdministrator else { return TesseraAPI.Statistics(rows: rows) }
            return TesseraAPI.Statistics(
                rows: rows,
                server: .init(
                    diskBytes: try store.diskUsage(), diskCapBytes: store.diskCap,
                    garbageBytes: found.garbageByteCount, hotRecords: found.hotRecords, hotBytes: found.hotByteCount,
                    hits: found.hits, misses: found.misses, evicted: found.evicted, damaged: found.damaged,
                    fingerprints: try store.recordsByFingerprint()))
        }
    }
}

/// The description of the server that it serves itself.
enum OpenAPIDocument {
    /// The document in JSON.
    static let text = String(
        decoding: UnsafeBufferPointer(start: cdocuments_openapi(), count: cdocuments_openapi_size()), as: UTF8.self)
}
