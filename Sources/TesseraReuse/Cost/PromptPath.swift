// SPDX-License-Identifier: Apache-2.0

/// A way for a prompt's KV to come about; the cost model compares all but the last.
public enum PromptPath: String, Sendable, Hashable, Codable, CaseIterable {
    /// A stored leading run and a prefill of the rest.
    case prefix
    /// Stored chunks, repaired.
    case stitched
    /// A full prefill.
    case full
    /// Stored chunks side by side.
    case parallel
}

/// What a way would take.
public struct PathEstimate: Sendable, Hashable, Codable {
    /// The way.
    public var path: PromptPath
    /// Seconds to read and verify stored KV.
    public var load: Double
    /// Seconds to compute.
    public var compute: Double

    /// Makes an estimate.
    public init(path: PromptPath, load: Double, compute: Double) {
        (self.path, self.load, self.compute) = (path, load, compute)
    }

    /// Seconds to the first token.
    public var total: Double { load + compute }
}

/// The fastest of several ways; of equal ones the first, so the more exact one belongs in front.
public func fastest(_ estimates: [PathEstimate]) -> PathEstimate? {
    estimates.min { $0.total < $1.total }
}
