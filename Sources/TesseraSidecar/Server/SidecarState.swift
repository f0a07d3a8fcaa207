// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Tessera

/// What all routes share.
final class SidecarState: Sendable {
    let configuration: SidecarConfiguration
    let caches: TenantCaches
    let tenancy: Tenancy
    let leases: LeaseDesk
    let jobs = JobDesk()
    let keeper = Keeper()
    let metrics = SidecarMetrics()
    let slowBodies: SlowBodies
    /// The model's name, as clients give it.
    let modelName: String
    /// When the server began, in seconds since 1970.
    let started = Int(Date().timeIntervalSince1970)
    /// One body of imported KV at a time is in memory.
    let imports = Gate()
    private let draining = Atomic(false)

    init(
        _ configuration: SidecarConfiguration, caches: TenantCaches, tenancy: Tenancy, leases: LeaseDesk
    ) {
        (self.configuration, self.caches, self.tenancy, self.leases) = (configuration, caches, tenancy, leases)
        slowBodies = SlowBodies(seconds: configuration.bodySeconds)
        modelName = caches.first.model.name
        metrics.sample(caches, leases, jobs, configuration)
    }

    /// Whether the server is about to end.
    var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Says that the server is about to end.
    func drain() { draining.store(true, ordering: .relaxed) }
}

/// Lets one at a time through, and turns the others away.
final class Gate: Sendable {
    private let isTaken = Atomic(false)

    /// Runs work unless other work is under way.
    ///
    /// - Returns: What it returned; nil where other work is under way.
    func pass<R>(_ body: () async throws -> R) async rethrows -> R? {
        guard !isTaken.exchange(true, ordering: .acquiring) else { return nil }
        defer { isTaken.store(false, ordering: .releasing) }
        return try await body()
    }
}
