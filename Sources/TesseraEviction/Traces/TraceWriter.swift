// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// Writes requests to a file, as ``CSVTrace`` reads them: what is written by ``append(_:)`` is in the file once
/// ``close()`` has returned, or every few hundred kilobytes.
public struct TraceWriter: ~Copyable {
    private let handle: FileHandle
    private let path: String
    private let namespaces: [String]
    private var buffer: [UInt8]

    private static let bufferByteCount = 256 << 10

    /// Creates a file, or empties it.
    ///
    /// - Parameter namespaces: The names of the tenants, by number; with fewer than two the column is left out.
    public init(_ path: String, namespaces: [String] = []) throws(TesseraError) {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else {
            throw TesseraError(.io, "the trace \(path) can't be created; does its folder exist, and may you write there?")
        }
        (self.handle, self.path, self.namespaces) = (handle, path, namespaces)
        buffer = Array("time,key,bytes,cost\(namespaces.count > 1 ? ",namespace" : "")\n".utf8)
    }

    /// Adds a request.
    public mutating func append(_ request: TraceRequest) throws(TesseraError) {
        let object = request.object
        var line = "\(request.time),\(object.key),\(object.bytes),\(object.cost)"
        if namespaces.count > 1 { line += ",\(namespaces[object.namespace])" }
        buffer += Array((line + "\n").utf8)
        if buffer.count >= Self.bufferByteCount { try flush() }
    }

    /// Brings the rest to the file.
    public consuming func close() throws(TesseraError) {
        try flush()
    }

    private mutating func flush() throws(TesseraError) {
        do {
            try handle.write(contentsOf: buffer)
        } catch {
            throw TesseraError(.io, "writing the trace \(path): \(error.localizedDescription)")
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
