// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import Tessera
internal import TesseraAPI
internal import TesseraKV
internal import TesseraStore

extension SidecarState {
    /// Prompts' KV in shared memory.
    var leaseRoutes: [Route] {
        [
            .post("/v1/stitch") { request, context in
                let caller = try context.requireCaller()
                let wanted = try await self.body(StitchRequest.self, request, context)
                return .json(
                    try await context.whileHeard { try await self.lease(wanted, caller) }, status: .created)
            },
            .get("/v1/leases") { _, context in
                .json(ListOf(self.leases.leases(of: try context.requireCaller().tenant)))
            },
            .post("/v1/leases/{id}/renew") { request, context in
                let tenant = try context.requireCaller().tenant
                let wanted = try await self.body(RenewRequest.self, request, context)
                return .json(
                    try self.leases.renew(context.parameter("id"), of: tenant, seconds: wanted.seconds))
            },
            .delete("/v1/leases/{id}") { _, context in
                try self.leases.release(context.parameter("id"), of: context.requireCaller().tenant)
                return Response(status: .noContent)
            },
        ]
    }

    private func lease(_ wanted: StitchRequest, _ caller: Caller) async throws -> Lease {
        let cache = try cache(caller, producer: wanted.producer)
        let format = try KVFileFormat(wanted.format ?? KVFormat(), usual: cache.model.rotary.pairing)
        let options = try await options(wanted.tessera, on: cache)
        let segments = try await segments(wanted.segments, on: cache)
        switch wanted.missing {
        case nil, "leave": break
        case "compute":
            // What could never stand in a prompt is not worth computing.
            _ = try await cache.plan(segments, options: options)
            try await cache.ingest(chunks: chunks(segments))
        case "refuse": try await refuseMissing(segments, on: cache)
        case let other?:
            throw APIFailure(
                .badRequest, "missing is leave, compute or refuse, not \(other)", code: "invalidInput", param: "missing"
            )
        }
        let prompt = try await cache.stitch(segments, options: options)
        let lease = try await cache.leasing { () throws(TesseraError) in
            try leases.lease(prompt, format, to: caller, seconds: wanted.seconds)
        }
        guard !Task.isCancelled else {
            // Nobody will ever give it back.
            try leases.release(lease.id, of: caller.tenant)
            throw TesseraError(.cancelled, "the request was cancelled")
        }
        if let plan = lease.plan {
            metrics.count(plan, loaded: prompt.bytesLoaded, namespace: caller.tenant.namespace)
        }
        return lease
    }

    private func chunks(_ segments: [PlanSegment]) -> [[TokenID]] {
        segments.compactMap { segment in
            if case .chunk(let tokens) = segment { tokens } else { nil }
        }
    }

    private func refuseMissing(_ segments: [PlanSegment], on cache: ContextCache) async throws {
        let keys = chunks(segments).filter { !$0.isEmpty }.map(cache.key)
        let there = try await cache.reading { (store) throws(TesseraError) in try store.contains(keys) }
        let missing = zip(keys, there).filter { !$0.1 }.map(\.0.description)
        guard missing.isEmpty else {
            throw APIFailure(
                .notFound, "the store has no chunk \(missing.joined(separator: ", ")) here", code: "notFound",
                param: "segments")
        }
    }
}

extension KVFileFormat {
    /// The format that a client asks for.
    ///
    /// - Parameter usual: The model file's pairing.
    init(_ wanted: KVFormat, usual: RotaryTable.Pairing) throws(APIFailure) {
        func choice<Choice: RawRepresentable<String>>(
            _ field: String, _ word: String?, _ usual: Choice, _ words: String
        ) throws(APIFailure) -> Choice {
            guard let word else { return usual }
            guard let choice = Choice(rawValue: word) else {
                throw APIFailure(
                    .badRequest, "\(field) is \(words), not \(word)", code: "invalidInput", param: "format.\(field)")
            }
            return choice
        }
        enum Rope: String { case applied, none }
        self.init(
            element: try choice("dtype", wanted.dtype, .f16, "F16, BF16 or F32"),
            order: try choice("order", wanted.order, .token, "token or head"),
            isRotated: try choice("rope", wanted.rope, Rope.applied, "applied or none") == .applied,
            pairing: try choice("pairing", wanted.pairing, usual, "interleaved or halves"))
    }
}
