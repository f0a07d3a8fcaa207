// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// Writes requests to a file as ``CSVTrace`` reads them, with all columns. What was appended is in the file once ``flush()``
/// or ``close()`` has returned, and otherwise every few hundred kilobytes.
public struct TraceWriter: ~Copyable {
    private let handle: FileHandle
    private let path: String
    private var buffer: [UInt8]
    /// Where the lines end that are in the file whole.
    private var end: UInt64

    private static let bufferByteCount = 256 << 10

    private static let header = "time,key,bytes,cost,namespace\n"

    /// Creates a file, or empties it. Nobody but its owner may read it: keys tell who asked for the same.
    public init(_ path: String) throws(TesseraError) {
        guard let handle = newFile(path, permissions: 0o600) else { throw cannotCreate(path) }
        self.init(handle, path, end: 0, Array(Self.header.utf8))
    }

    /// Goes on with a file that was written so, or creates one. A line that was cut short is taken off.
    ///
    /// - Throws: `invalidInput` for a file that is something else, `io` for one that may not be written to.
    public init(appendingTo path: String) throws(TesseraError) {
        guard FileManager.default.fileExists(atPath: path) else {
            try self.init(path)
            return
        }
        guard let handle = FileHandle(forUpdatingAtPath: path) else {
            throw TesseraError(.io, "the trace \(path) can't be gone on with; may you write to it?")
        }
        let end: UInt64
        do {
            let head = try handle.read(upToCount: Self.header.utf8.count) ?? Data()
            guard head.isEmpty || head == Data(Self.header.utf8) else {
                throw TesseraError(
                    .invalidInput, "\(path) is no trace that can be gone on with; name a new file or remove it")
            }
            end = try Self.endOfLastLine(handle)
            try handle.truncate(atOffset: end)
        } catch let error as TesseraError {
            throw error
        } catch {
            throw TesseraError(.io, "the trace \(path) can't be gone on with: \(error.localizedDescription)")
        }
        self.init(handle, path, end: end, end == 0 ? Array(Self.header.utf8) : [])
    }

    private static func endOfLastLine(_ handle: FileHandle) throws -> UInt64 {
        let end = try handle.seekToEnd()
        let start = end - min(end, longestLine)
        try handle.seek(toOffset: start)
        let tail = try handle.readToEnd() ?? Data()
        return tail.lastIndex(of: 0x0A).map { start + UInt64($0 - tail.startIndex) + 1 } ?? start
    }

    /// More than any line that is written here has.
    private static var longestLine: UInt64 { 1 << 16 }

    private init(_ handle: FileHandle, _ path: String, end: UInt64, _ buffer: [UInt8]) {
        (self.handle, self.path, self.end, self.buffer) = (handle, path, end, buffer)
    }

    /// Adds a request.
    ///
    /// - Parameters:
    ///   - key: The object's name, without commas and ends of lines; by default its number.
    ///   - namespace: The tenant's name, likewise.
    public mutating func append(
        _ request: TraceRequest, key: String? = nil, namespace: String
    ) throws(TesseraError) {
        let object = request.object
        buffer += "\(request.time),\(key ?? object.key.description),\(object.bytes),\(object.cost),\(namespace)\n".utf8
        if buffer.count >= Self.bufferByteCount { try flush() }
    }

    /// Brings to the file what it lacks. What can't be written is left out, as a whole.
    public mutating func flush() throws(TesseraError) {
        let count = UInt64(buffer.count)
        defer { buffer.removeAll(keepingCapacity: true) }
        do {
            try store(buffer, in: handle, path)
            end += count
        } catch {
            try? handle.truncate(atOffset: end)
            throw error
        }
    }

    /// Brings the rest to the file.
    public consuming func close() throws(TesseraError) {
        try flush()
    }
}

extension CSVTrace {
    /// Writes a trace in this form.
    ///
    /// - Returns: The number of requests.
    public static func write(_ trace: some Trace, to path: String) throws(TesseraError) -> Int {
        try replacing(path) { (path) throws(TesseraError) in
            var (source, requests) = (try trace.open(), 0)
            var writer = try TraceWriter(path)
            while true {
                let batch = try source.next(Simulation.batch)
                guard !batch.isEmpty else { break }
                requests += batch.count
                let names = source.namespaces
                for request in batch {
                    let number = request.object.namespace
                    try writer.append(request, namespace: names.indices.contains(number) ? names[number] : "default")
                }
            }
            try writer.close()
            return requests
        }
    }
}

extension OracleGeneralTrace {
    /// Writes a trace in this form, with the number of each object's next request, for which the trace is read twice. Costs
    /// and tenants have no place in it.
    ///
    /// - Returns: The number of requests.
    /// - Throws: `unsupported` for times and sizes that 32 bits don't hold.
    public static func write(_ trace: some Trace, to path: String) throws(TesseraError) -> Int {
        try replacing(path) { (path) throws(TesseraError) in try create(trace, path) }
    }

    private static func create(_ trace: some Trace, _ path: String) throws(TesseraError) -> Int {
        let nextUses = try NextUses(trace.open())
        var (source, requests) = (try trace.open(), 0)
        guard let handle = newFile(path) else { throw cannotCreate(path) }
        while true {
            let batch = try source.next(Simulation.batch)
            guard !batch.isEmpty else { return requests }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(batch.count * recordByteCount)
            for (request, nextUse) in zip(batch, try nextUses.next(batch.count)) {
                requests += 1
                guard let time = UInt32(exactly: request.time.rounded(.down)),
                    let size = UInt32(exactly: request.object.bytes)
                else {
                    throw TesseraError(
                        .unsupported, "request \(requests): oracleGeneral has 32 bits for a time and a size; write .csv"
                    )
                }
                append(UInt64(time), 4, to: &bytes)
                append(request.object.key.rawValue, 8, to: &bytes)
                append(UInt64(size), 4, to: &bytes)
                // libCacheSim's "never".
                append(nextUse == NextUses.never ? UInt64(Int64.max) : nextUse, 8, to: &bytes)
            }
            try store(bytes, in: handle, path)
        }
    }

    private static func append(_ number: UInt64, _ count: Int, to bytes: inout [UInt8]) {
        for place in 0..<count { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * place))) }
    }
}

private func cannotCreate(_ path: String) -> TesseraError {
    TesseraError(.io, "the trace \(path) can't be created; does its folder exist, and may you write there?")
}

/// Lets `body` write a file beside the one that is wanted, and puts it in its place when it is whole. A trace may be turned
/// into itself so, and what was there before is not lost to a failure.
private func replacing<R>(_ path: String, _ body: (String) throws(TesseraError) -> R) throws(TesseraError) -> R {
    var status = stat()
    // A pipe or a device has no other in its place.
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG { return try body(path) }
    let partial = path + ".partial"
    do throws(TesseraError) {
        let result = try body(partial)
        guard rename(partial, path) == 0 else {
            throw TesseraError(.io, "the trace \(path) can't be put in its place: \(String(cString: strerror(errno)))")
        }
        return result
    } catch {
        unlink(partial)
        throw error
    }
}

private func store(_ bytes: [UInt8], in handle: FileHandle, _ path: String) throws(TesseraError) {
    do {
        try handle.write(contentsOf: bytes)
    } catch {
        throw TesseraError(.io, "writing the trace \(path): \(error.localizedDescription)")
    }
}
