// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
public import TesseraKV

/// Runs policies over a trace at several capacities, all in one pass.
///
/// ```swift
/// let simulation = Simulation(policies: [.lru, .s3fifo], capacities: [.share(0.1), .bytes(8 << 30)])
/// let report = try simulation.run(TraceFile(path))
/// ```
///
/// The trace is streamed. Memory grows with the distinct keys: with those that are held and remembered, for each policy and
/// capacity, and for shares and bounds with all of them.
public struct Simulation: Sendable {
    /// A capacity.
    public enum Capacity: Sendable, Equatable {
        /// So many bytes.
        case bytes(Int)
        /// A share of the bytes of all distinct objects, 0 … 1; takes a pass over the trace beforehand.
        case share(Double)
    }

    /// The policies.
    public var policies: [PolicyKind]
    /// The capacities.
    public var capacities: [Capacity]
    /// What holds beside the policies.
    public var rules: CacheRules
    /// Quotas by the names of tenants; they join those of the rules.
    public var quotas: [String: Int] = [:]
    /// What a smaller codec makes of objects; nil where there is none.
    public var demotion: Demotion?
    /// Where the policies' chance begins.
    public var seed: UInt64 = 1
    /// Whether Belady's policy and the size-aware bound are reckoned too, for which the trace is read once more.
    public var bounds = false
    /// Whether objects and their bytes are counted, for which the trace is read once more; shares and bounds do it anyway.
    public var surveys = false

    /// What to run.
    public init(policies: [PolicyKind], capacities: [Capacity], rules: CacheRules = CacheRules()) {
        self.policies = policies
        self.capacities = capacities
        self.rules = rules
    }

    /// The most requests that are read before the caches see them.
    static let batch = 1 << 15

    /// Runs.
    ///
    /// - Parameters:
    ///   - trace: The trace, which is opened again for each pass.
    ///   - progress: Told the requests that have been run so far, now and then.
    /// - Throws: `invalidInput` for a trace without a request, capacities and rules that make no sense; what the trace
    ///   throws.
    public func run(
        _ trace: some Trace, progress: (Int) -> Void = { _ in }
    ) throws(TesseraError) -> SimulationReport {
        try validate()
        let survey = needsSurvey ? try TraceSurvey(trace.open()) : nil
        if survey?.objects == 0 { throw Self.empty }
        let bytes = capacities.map { $0.bytes(of: survey) }
        var source = try trace.open()
        // Quotas go by names, which a trace has only told once it was read.
        let quotas = try numbered(quotas, trace)
        let lanes = bytes.flatMap { capacity in policies.map { lane($0, capacity, quotas) } }
        var requests = 0
        while true {
            let batch = try source.next(Self.batch)
            guard !batch.isEmpty else { break }
            requests += batch.count
            DispatchQueue.concurrentPerform(iterations: lanes.count) { lanes[$0].run(batch) }
            progress(requests)
        }
        guard requests > 0 else { throw Self.empty }
        var report = SimulationReport(requests: requests, notes: source.oddities.notes)
        report.results = lanes.map(\.result)
        report.note(lanes)
        if bounds, let survey {
            report.results += try Bounds(capacities: bytes, survey: survey, demotion: demotion).run(trace)
        }
        if let survey { (report.objects, report.distinctBytes) = (survey.objects, survey.distinctBytes) }
        return report
    }

    private static var empty: TesseraError { TesseraError(.invalidInput, "the trace has no requests") }

    private var needsSurvey: Bool {
        bounds || surveys
            || capacities.contains {
                if case .share = $0 { true } else { false }
            }
    }

    private func validate() throws(TesseraError) {
        for capacity in capacities {
            switch capacity {
            case .bytes(let bytes):
                guard bytes > 0 else {
                    throw TesseraError(
                        .invalidInput, "a capacity of \(bytes) bytes holds nothing; it has to be at least 1")
                }
            case .share(let share):
                guard share > 0, share.isFinite else {
                    throw TesseraError(.invalidInput, "a capacity as a share is more than 0")
                }
            }
        }
        if let demotion, !(demotion.size > 0 && demotion.size < 1 && (0...1).contains(demotion.loss)) {
            throw TesseraError(
                .invalidInput, "a demotion leaves more than 0 and less than 1 of the bytes, and loses 0 … 1 of a saving"
            )
        }
        guard rules.admissionUses >= 1, rules.timeToLive ?? 1 > 0, quotas.values.allSatisfy({ $0 > 0 }) else {
            throw TesseraError(
                .invalidInput, "admission takes at least 1 use; times to live and quotas are more than 0")
        }
    }

    private func lane(_ policy: PolicyKind, _ capacity: Int, _ quotas: [Int: Int]) -> Lane {
        var rules = rules
        rules.quotas.merge(quotas) { $1 }
        return Lane(policy, PolicySettings(capacity: capacity, seed: seed, demotion: demotion), rules)
    }

    private func numbered(
        _ quotas: [String: Int], _ trace: some Trace
    ) throws(TesseraError) -> [Int: Int] {
        guard !quotas.isEmpty else { return [:] }
        var source = try trace.open()
        while !(try source.next(Self.batch)).isEmpty {}
        var numbered: [Int: Int] = [:]
        for (name, bytes) in quotas {
            guard let number = source.namespaces.firstIndex(of: name) else {
                throw TesseraError(
                    .invalidInput,
                    "the trace has no namespace \(name); it has \(source.namespaces.joined(separator: ", "))")
            }
            numbered[number] = bytes
        }
        return numbered
    }
}

extension Simulation.Capacity {
    func bytes(of survey: TraceSurvey?) -> Int {
        switch self {
        case .bytes(let bytes): PolicySettings.bounded(bytes)
        case .share(let share): max(1, Int(min(0x1p56, share * Double(survey?.distinctBytes ?? 0))))
        }
    }
}

/// One policy at one capacity; run by one thread at a time.
///
/// `@unchecked Sendable` because `concurrentPerform` gives each lane to one iteration, and waits for all of them.
private final class Lane: @unchecked Sendable {
    private let name: String
    private(set) var cache: CacheModel

    init(_ policy: PolicyKind, _ settings: PolicySettings, _ rules: CacheRules) {
        name = policy.name
        cache = CacheModel(policy, settings, rules: rules)
    }

    func run(_ requests: [TraceRequest]) {
        for request in requests { cache.request(request.object, at: request.time) }
    }

    var result: SimulationReport.Result {
        SimulationReport.Result(policy: name, capacity: cache.capacity, cache.statistics)
    }
}

extension SimulationReport {
    /// Says what the caches met that a reader should know.
    fileprivate mutating func note(_ lanes: [Lane]) {
        let resized = lanes.map(\.cache.statistics.resized).max() ?? 0
        if resized > 0 {
            notes.append(
                "objects were asked for in another size than the one that was held, up to \(resized) times; they were taken "
                    + "to be new objects in the place of the old")
        }
        for lane in lanes where !lane.cache.violations.isEmpty {
            notes.append(
                "\(lane.result.policy) at \(lane.cache.capacity) bytes did what a policy may not do, "
                    + "\(lane.cache.violations.count) times or more, and its figures mean nothing: \(lane.cache.violations[0])"
            )
        }
    }
}
