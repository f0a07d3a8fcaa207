// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// One request of a trace.
public struct TraceRequest: Sendable, Equatable {
    /// When, in seconds from any beginning; never before the request that comes before it.
    public var time: Double
    /// What was asked for.
    public var object: CachedObject

    /// Makes a request.
    public init(time: Double, object: CachedObject) {
        self.time = time
        self.object = object
    }
}

/// A trace: a file (``TraceFile``), a generated one (``TracePattern``), or requests in memory (``RequestList``).
public protocol Trace: Sendable {
    /// Opens the trace at its beginning.
    func open() throws(TesseraError) -> any TraceSource
}

/// A trace while it is read, once, from the beginning to the end.
public protocol TraceSource {
    /// Fetches the next requests.
    ///
    /// - Parameter limit: The most of them.
    /// - Returns: At least one; none at the end.
    /// - Throws: `corrupt` with the line or record that can't be read, `io` for what the disk refuses.
    mutating func next(_ limit: Int) throws(TesseraError) -> [TraceRequest]

    /// What was odd in what has been read so far and was put right.
    var oddities: TraceOddities { get }

    /// The names of the tenants that have been met so far, by number.
    var namespaces: [String] { get }
}

extension TraceSource {
    /// Nothing.
    public var oddities: TraceOddities { TraceOddities() }

    /// One tenant.
    public var namespaces: [String] { ["default"] }
}

/// What was odd in a trace and was put right.
public struct TraceOddities: Sendable, Equatable {
    /// Requests that were earlier than the one before; they were taken to be of the same time.
    public internal(set) var backwards = 0
    /// The line or record of the first of them.
    public internal(set) var firstBackwards = 0
    /// Requests of no bytes, which were passed over.
    public internal(set) var empty = 0

    private var latest = -Double.infinity

    /// Nothing odd.
    public init() {}

    /// A time that does not run backwards.
    mutating func ordered(_ time: Double, at place: Int) -> Double {
        guard time < latest else {
            latest = time
            return time
        }
        if backwards == 0 { firstBackwards = place }
        backwards += 1
        return latest
    }

    /// What to tell a reader.
    public var notes: [String] {
        var notes: [String] = []
        if backwards > 0 {
            notes.append(
                "\(backwards) requests are earlier than the one before them, the first at \(firstBackwards); they were "
                    + "taken in the order of the file")
        }
        if empty > 0 { notes.append("\(empty) requests have no bytes and were passed over") }
        return notes
    }
}

/// A trace in memory.
public struct RequestList: Trace {
    /// The requests, in the order of their times.
    public var requests: [TraceRequest]

    /// Makes a trace of requests.
    public init(_ requests: [TraceRequest]) {
        self.requests = requests
    }

    /// Begins with the first request.
    public func open() -> any TraceSource { Source(requests: requests[...]) }

    private struct Source: TraceSource {
        var requests: ArraySlice<TraceRequest>

        mutating func next(_ limit: Int) throws(TesseraError) -> [TraceRequest] {
            defer { requests = requests.dropFirst(limit) }
            return Array(requests.prefix(limit))
        }
    }
}
