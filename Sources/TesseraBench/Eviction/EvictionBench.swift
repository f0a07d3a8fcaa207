// SPDX-License-Identifier: Apache-2.0

public import TesseraEviction
public import TesseraKV

/// Holds policies against each other over generated traces and capacities: what each saves, and what it falls short of the
/// best one.
public struct EvictionBench: Sendable {
    /// One trace with its results.
    public struct TraceResult: Sendable, Codable {
        /// The trace.
        public var trace: String
        /// The results, in the order of capacities, then of policies.
        public var results: [SimulationReport.Result]
    }

    /// How far a policy falls short of the best over all capacities of a trace, in points of time saved.
    public struct Regret: Sendable, Codable {
        /// The policy.
        public var policy: String
        /// The trace.
        public var trace: String
        /// The mean.
        public var mean: Double
        /// The worst.
        public var worst: Double
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// Requests of each trace.
        public var requests: Int
        /// Capacities as shares of the distinct bytes.
        public var capacities: [Double]
        /// By trace.
        public var traces: [TraceResult]
        /// By trace and policy.
        public var regrets: [Regret]

        /// The time that a policy saves on a trace at a capacity, by its place.
        public func timeSaved(_ policy: String, _ trace: String, at place: Int) -> Double? {
            let results = traces.first { $0.trace == trace }?.results.filter { $0.policy == policy } ?? []
            return place < results.count ? results[place].timeSaved : nil
        }
    }

    /// The policies.
    public var policies = PolicyKind.all
    /// The capacities, as shares of the distinct bytes.
    public var capacities = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    /// Distinct objects of each trace.
    public var objects = 5000
    /// Requests of each trace.
    public var requests = 200_000
    /// Where chance begins.
    public var seed: UInt64 = 1

    /// The bench of the README.
    public init() {}

    /// The traces by name.
    public var traces: [(name: String, pattern: TracePattern)] {
        func pattern(_ kind: TracePattern.Kind, _ exponent: Double) -> TracePattern {
            TracePattern(kind, objects: objects, requests: requests, exponent: exponent, seed: seed)
        }
        return [
            ("zipf 0.8", pattern(.zipf, 0.8)), ("zipf 1.0", pattern(.zipf, 1)), ("rag 40 %", pattern(.rag, 0.8)),
            ("rag 60 %", pattern(.rag, 1.04)), ("shift", pattern(.shift, 1)), ("tenants", pattern(.tenants, 1)),
            ("scan", pattern(.scan, 1)), ("loop", pattern(.loop, 1)),
        ]
    }

    /// Runs all of it.
    ///
    /// - Parameter progress: Told what runs now.
    public func run(progress: (String) -> Void = { _ in }) throws(TesseraError) -> Report {
        var report = Report(requests: requests, capacities: capacities, traces: [], regrets: [])
        for (name, pattern) in traces {
            progress("\(policies.count) policies at \(capacities.count) capacities over \(name)")
            var simulation = Simulation(policies: policies, capacities: capacities.map { .share($0) })
            simulation.seed = seed
            let results = try simulation.run(pattern).results
            report.traces.append(TraceResult(trace: name, results: results))
            report.regrets += regrets(results, name)
        }
        return report
    }

    private func regrets(_ results: [SimulationReport.Result], _ trace: String) -> [Regret] {
        let best = Dictionary(grouping: results, by: \.capacity).mapValues { $0.map(\.timeSaved).max() ?? 0 }
        return policies.map { policy in
            let short = results.filter { $0.policy == policy.name }
                .map { 100 * ((best[$0.capacity] ?? 0) - $0.timeSaved) }
            return Regret(
                policy: policy.name, trace: trace, mean: short.reduce(0, +) / Double(max(1, short.count)),
                worst: short.max() ?? 0)
        }
    }
}
