// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// For each request of a trace, when its object is asked for next: what Belady's policy knows and no other can.
///
/// A trace may be larger than memory, so its keys go to a file, which is then read from its end to its beginning; there the
/// numbers of the next requests take the keys' places. The file is gone when this is.
final class NextUses {
    /// Stands for never.
    static let never = UInt64.max

    private let handle: FileHandle
    private let path: String
    private let requests: Int
    private var read = 0

    private static let blockRequests = 1 << 16

    init(_ source: any TraceSource) throws(TesseraError) {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)").path
        guard let handle = newFile(path, permissions: 0o600, readable: true) else {
            throw TesseraError(.io, "the file \(path) can't be created; set TMPDIR to a folder that may be written to")
        }
        // Without a name it takes no room once the process is gone, however it ends.
        try? FileManager.default.removeItem(atPath: path)
        self.handle = handle
        requests = try Self.spill(source, to: handle, path)
        try turn()
    }

    /// The number of the next request for the object of the next request, in the order of the trace.
    func next(_ limit: Int) throws(TesseraError) -> [UInt64] {
        let count = min(limit, requests - read)
        defer { read += count }
        return try block(read, count)
    }

    private static func spill(
        _ source: any TraceSource, to handle: FileHandle, _ path: String
    ) throws(TesseraError) -> Int {
        var (source, requests) = (source, 0)
        while true {
            let batch = try source.next(blockRequests)
            guard !batch.isEmpty else { return requests }
            requests += batch.count
            try write(batch.map(\.object.key.rawValue), to: handle, path)
        }
    }

    private func turn() throws(TesseraError) {
        var nextUse: [UInt64: UInt64] = [:]
        var end = requests
        while end > 0 {
            let start = max(0, end - Self.blockRequests)
            var numbers = try block(start, end - start)
            for place in numbers.indices.reversed() {
                let key = numbers[place]
                numbers[place] = nextUse.updateValue(UInt64(start + place), forKey: key) ?? Self.never
            }
            try seek(start)
            try Self.write(numbers, to: handle, path)
            end = start
        }
    }

    private func seek(_ request: Int) throws(TesseraError) {
        do {
            try handle.seek(toOffset: UInt64(request * 8))
        } catch {
            throw TesseraError(.io, "reading \(path): \(error.localizedDescription)")
        }
    }

    private func block(_ start: Int, _ count: Int) throws(TesseraError) -> [UInt64] {
        guard count > 0 else { return [] }
        try seek(start)
        guard let data = try? handle.read(upToCount: count * 8), data.count == count * 8 else {
            throw TesseraError(.io, "\(path) can't be read back")
        }
        return (0..<count).map { place in
            data[(8 * place)..<(8 * place + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    private static func write(_ numbers: [UInt64], to handle: FileHandle, _ path: String) throws(TesseraError) {
        var bytes = Data(capacity: 8 * numbers.count)
        for number in numbers {
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        do {
            try handle.write(contentsOf: bytes)
        } catch {
            throw TesseraError(
                .full, "\(path) can't be written (\(error.localizedDescription)); set TMPDIR to a folder with more room"
            )
        }
    }
}
