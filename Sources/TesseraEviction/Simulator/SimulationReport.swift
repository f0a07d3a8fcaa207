// SPDX-License-Identifier: Apache-2.0

/// What policies made of a trace.
public struct SimulationReport: Sendable, Codable {
    /// One policy at one capacity.
    public struct Result: Sendable, Codable {
        /// The policy's name; `belady` and `bound` for what no policy can know.
        public var policy: String
        /// The capacity in bytes.
        public var capacity: Int
        /// The share of requests that were misses.
        public var missRatio: Double
        /// The share of the bytes asked for that were not held.
        public var byteMissRatio: Double
        /// The share of the computation time that was saved.
        public var timeSaved: Double
        /// Objects that left to make room; nil for bounds.
        public var evictions: Int?
        /// Objects that made room in a smaller codec; nil for bounds.
        public var demotions: Int?

        init(policy: String, capacity: Int, missRatio: Double, byteMissRatio: Double, timeSaved: Double) {
            self.policy = policy
            self.capacity = capacity
            self.missRatio = missRatio
            self.byteMissRatio = byteMissRatio
            self.timeSaved = timeSaved
        }

        init(policy: String, capacity: Int, _ statistics: CacheStatistics) {
            self.init(
                policy: policy, capacity: capacity, missRatio: statistics.missRatio,
                byteMissRatio: statistics.byteMissRatio, timeSaved: statistics.timeSaved)
            evictions = statistics.evictions
            demotions = statistics.demotions
        }
    }

    /// Requests of the trace.
    public var requests: Int
    /// Distinct objects; nil where nothing asked for a pass that counts them.
    public var objects: Int?
    /// The bytes of all distinct objects; nil likewise.
    public var distinctBytes: Int?
    /// The results, by capacity, then in the order of the policies; bounds at the end.
    public var results: [Result] = []
    /// What was odd in the trace and how it was taken.
    public var notes: [String]

    init(requests: Int, notes: [String]) {
        self.requests = requests
        self.notes = notes
    }
}
