// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import Tessera
internal import TesseraAPI
internal import TesseraKV

extension SidecarState {
    /// What to do with prompts that runtimes elsewhere compute.
    var planRoutes: [Route] {
        [
            .post("/v1/plan") { request, context in
                let caller = try context.requireCaller()
                let wanted = try await self.body(PlanRequest.self, request, context)
                let cache = try self.cache(caller, producer: wanted.producer)
                let segments = try await self.segments(wanted.segments, on: cache)
                let plan = Plan(try await cache.plan(segments, options: self.options(wanted.tessera, on: cache)))
                self.metrics.count(plan, namespace: caller.tenant.namespace)
                return .json(plan)
            }
        ]
    }

    /// The cache of what the built-in engine made, or of what another runtime did.
    func cache(_ caller: Caller, producer: String?) throws(TesseraError) -> ContextCache {
        guard let producer else { return caller.cache }
        return try caches.cache(of: caller.tenant, producer: producer)
    }

    /// Segments as the planner wants them.
    func segments(_ segments: [PromptSegment], on cache: ContextCache) async throws -> [PlanSegment] {
        try checkCount(segments.count, "segments")
        var planned: [PlanSegment] = []
        planned.reserveCapacity(segments.count)
        for segment in segments { planned.append(try await segment.segment(on: cache)) }
        return planned
    }

    /// The options of a plan.
    func options(_ reuse: ReuseOptions?, on cache: ContextCache) async throws -> AnswerOptions {
        try reuse?.refusePress()
        return AnswerOptions(
            assembly: try await reuse?.chosenAssembly(on: cache), kind: reuse?.kind, ungated: reuse?.ungated ?? false)
    }
}
