// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// What a generated trace is like.
public struct TracePattern: Trace, Equatable {
    /// The kinds of patterns.
    public enum Kind: String, Sendable, CaseIterable {
        /// Independent requests, popularity by Zipf's law.
        case zipf
        /// Zipf, interrupted again and again by a pass over objects that nobody asks for otherwise.
        case scan
        /// All objects in turn, over and over.
        case loop
        /// Zipf, with other objects becoming popular as time goes by.
        case shift
        /// Four tenants with objects, popularities and rates of their own.
        case tenants
        /// Sessions of a RAG application: questions on a topic, each retrieving several of its chunks.
        case rag
    }

    /// The kind.
    public var kind: Kind
    /// Distinct objects; a scan has as many again.
    public var objects: Int
    /// Requests; rounded up to whole questions for `rag`.
    public var requests: Int
    /// The exponent of popularity.
    public var exponent: Double
    /// Sizes and costs.
    public var sizes: ChunkSizes
    /// Where chance begins: equal patterns give equal traces on every machine.
    public var seed: UInt64

    /// Describes a trace.
    public init(
        _ kind: Kind, objects: Int = 5000, requests: Int = 200_000, exponent: Double = 1, sizes: ChunkSizes = .chunks,
        seed: UInt64 = 1
    ) {
        self.kind = kind
        self.objects = objects
        self.requests = requests
        self.exponent = exponent
        self.sizes = sizes
        self.seed = seed
    }

    /// A few bytes of memory are taken for each.
    private static let mostObjects = 100_000_000

    /// Generates the trace.
    ///
    /// - Throws: `invalidInput` for counts below 1 and exponents that are no number of at least 0.
    public func open() throws(TesseraError) -> any TraceSource {
        guard (1...Self.mostObjects).contains(objects), requests >= 1 else {
            throw TesseraError(
                .invalidInput, "a trace has at least one request, and one object to \(Self.mostObjects)")
        }
        guard exponent >= 0, exponent.isFinite else {
            throw TesseraError(.invalidInput, "the exponent of popularity is a number of at least 0")
        }
        return SyntheticTrace(self)
    }
}

/// A generated trace.
struct SyntheticTrace: TraceSource {
    let namespaces: [String]

    private let pattern: TracePattern
    private var generator: any RequestGenerator
    private var made = 0

    fileprivate init(_ pattern: TracePattern) {
        self.pattern = pattern
        namespaces = pattern.kind == .tenants ? Tenants.names : ["default"]
        generator =
            switch pattern.kind {
            case .zipf: ZipfRequests(pattern)
            case .scan: ScanRequests(pattern)
            case .loop: LoopRequests(pattern)
            case .shift: ShiftRequests(pattern)
            case .tenants: Tenants(pattern)
            case .rag: SessionRequests(pattern)
            }
    }

    mutating func next(_ limit: Int) throws(TesseraError) -> [TraceRequest] {
        let count = min(limit, pattern.requests - made)
        guard count > 0 else { return [] }
        made += count
        return (0..<count).map { _ in generator.next() }
    }
}

/// Makes one request after the other, for ever.
protocol RequestGenerator: Sendable {
    mutating func next() -> TraceRequest
}

/// A clock that goes on by a tenth of a second with each request.
struct RequestClock: Sendable {
    private var requests = 0

    mutating func tick() -> Double {
        requests += 1
        return Double(requests) / 10
    }
}
