// SPDX-License-Identifier: Apache-2.0

public import TesseraEviction
public import TesseraKV

/// How many requests a second the simulator runs through each policy, one after the other on one thread.
public struct SimulationSpeed: Sendable {
    /// One policy's speed.
    public struct Result: Sendable, Codable {
        /// The policy.
        public var policy: String
        /// Requests a second, the median of the rounds.
        public var requestsPerSecond: Double
    }

    /// Distinct objects.
    public var objects = 100_000
    /// Requests.
    public var requests = 2_000_000
    /// How often each policy runs.
    public var rounds = 3

    /// The bench of the README.
    public init() {}

    /// Measures.
    ///
    /// - Parameter progress: Told what runs now.
    public func run(
        _ policies: [PolicyKind] = PolicyKind.all, progress: (String) -> Void = { _ in }
    ) throws(TesseraError) -> [Result] {
        var source = try TracePattern(.zipf, objects: objects, requests: requests).open()
        let trace = try source.next(requests)
        let bytes = Dictionary(trace.map { ($0.object.key, $0.object.bytes) }) { $1 }.values.reduce(0, +)
        return policies.map { policy in
            progress(policy.name)
            let seconds = (0..<rounds).map { _ in Self.seconds(policy, trace, capacity: bytes / 10) }.sorted()
            return Result(policy: policy.name, requestsPerSecond: Double(requests) / seconds[rounds / 2])
        }
    }

    private static func seconds(_ policy: PolicyKind, _ trace: [TraceRequest], capacity: Int) -> Double {
        var cache = CacheModel(policy, PolicySettings(capacity: capacity, seed: 1))
        let time = ContinuousClock().measure {
            for request in trace { cache.request(request.object, at: request.time) }
        }
        return time / .seconds(1)
    }
}
