// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPTypes
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
    let slowRequests: SlowRequests
    /// The model's name, as clients give it.
    let modelName: String
    /// When the server began, in seconds since 1970.
    let started = Int(Date().timeIntervalSince1970)
    /// Bodies that are in memory at once.
    let bodies: BodyBudget
    /// One body of imported KV at a time is in memory.
    let imports = Gate()
    private let drainingSince = Mutex<ContinuousClock.Instant?>(nil)

    init(
        _ configuration: SidecarConfiguration, caches: TenantCaches, tenancy: Tenancy, leases: LeaseDesk
    ) {
        (self.configuration, self.caches, self.tenancy, self.leases) = (configuration, caches, tenancy, leases)
        bodies = BodyBudget(4 * configuration.mostBodyBytes)
        slowRequests = SlowRequests(seconds: configuration.bodySeconds)
        modelName = caches.first.model.name
        metrics.sample(caches, leases, jobs, configuration)
    }

    /// Whether the server is about to end.
    var isDraining: Bool { secondsDraining != nil }

    /// How long it has been about to; nil where it isn't.
    var secondsDraining: Double? {
        drainingSince.withLock { $0 }.map { (ContinuousClock.now - $0) / .seconds(1) }
    }

    /// Says that the server is about to end.
    func drain() { drainingSince.withLock { $0 = $0 ?? ContinuousClock.now } }
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

/// Bounds the memory that requests' bodies take together.
final class BodyBudget: Sendable {
    private let most: Int
    private let used = Mutex(0)

    /// - Parameter most: The bytes of all bodies together.
    init(_ most: Int) {
        self.most = most
    }

    /// Takes memory for a body, or more of it.
    ///
    /// - Throws: ``APIFailure`` of status 429 where other bodies take it.
    func take(_ bytes: Int) throws(APIFailure) {
        let fits = used.withLock { used in
            guard used + bytes <= most else { return false }
            used += bytes
            return true
        }
        guard !fits else { return }
        var failure = APIFailure(
            .tooManyRequests, "the bodies of other requests take the memory that there is for them", code: "busy")
        failure.retryAfter = 1
        throw failure
    }

    /// Gives memory back.
    func giveBack(_ bytes: Int) { used.withLock { $0 -= bytes } }
}
