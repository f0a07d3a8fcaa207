// SPDX-License-Identifier: Apache-2.0

/// What computing and loading cost on this machine, learned from the work that was done on it.
///
/// The rates belong to a model, a machine and a number of threads.
public struct MachineRates: Sendable, Codable, Equatable {
    private var prefill = RateFit(kinds: 3)
    private var load = RateFit(kinds: 2)
    private var placement = RateFit(kinds: 2)

    /// Nothing learned yet.
    public init() {}

    /// Whether there is something to estimate by: enough prompts or chunks were computed.
    public var canEstimate: Bool { prefill.pieces >= 3 }

    /// Learns from a run through the layers.
    ///
    /// - Parameters:
    ///   - work: What was computed.
    ///   - seconds: How long it took.
    public mutating func learn(_ work: PrefillWork, seconds: Double) {
        prefill.add(work.amounts, seconds: seconds)
    }

    /// Learns from reading and verifying records.
    public mutating func learn(_ work: LoadWork, seconds: Double) {
        load.add(work.amounts, seconds: seconds)
    }

    /// Learns from decoding and rotating records into a request's buffer, beside the computation.
    public mutating func learn(placing work: LoadWork, seconds: Double) {
        placement.add(work.amounts, seconds: seconds)
    }

    /// Seconds to compute; nil before anything was learned.
    public func seconds(for work: PrefillWork) -> Double? { prefill.seconds(for: work.amounts) }

    /// Seconds to load; nil before anything was learned; 0 for nothing.
    public func seconds(for work: LoadWork) -> Double? {
        work.records == 0 ? 0 : load.seconds(for: work.amounts)
    }

    /// Seconds to place; nil before anything was learned; 0 for nothing.
    public func seconds(placing work: LoadWork) -> Double? {
        work.records == 0 ? 0 : placement.seconds(for: work.amounts)
    }
}

/// How much a run through the layers computes.
public struct PrefillWork: Sendable, Equatable {
    /// Σ over layers of the rows computed.
    public var rowLayers: Double
    /// Σ over layers and rows of the keys attended to.
    public var pairs: Double

    /// Makes an amount.
    public init(rowLayers: Double, pairs: Double) {
        (self.rowLayers, self.pairs) = (rowLayers, pairs)
    }

    /// The work of rows that end a prompt, in all layers.
    ///
    /// - Parameters:
    ///   - rows: For each layer, the rows computed.
    ///   - keys: The keys of the whole prompt; a row in the middle sees half of them.
    public init(rows: [Int], keys: Int) {
        rowLayers = Double(rows.reduce(0, +))
        // Rows that end a prompt see all keys but, on average, half of the rows themselves.
        pairs = rows.reduce(0.0) { $0 + Double($1) * (Double(keys) - Double($1) / 2) }
    }

    var amounts: [Double] { [1, rowLayers, pairs] }
}

/// How much is loaded.
public struct LoadWork: Sendable, Equatable {
    /// Records read.
    public var records: Int
    /// Their bytes.
    public var bytes: Int

    /// Makes an amount.
    public init(records: Int, bytes: Int) {
        (self.records, self.bytes) = (records, bytes)
    }

    /// The sum of two.
    public static func + (a: LoadWork, b: LoadWork) -> LoadWork {
        LoadWork(records: a.records + b.records, bytes: a.bytes + b.bytes)
    }

    var amounts: [Double] { [Double(records), Double(bytes)] }
}
