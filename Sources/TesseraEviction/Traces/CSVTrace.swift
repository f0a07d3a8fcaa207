// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// A trace of Tessera's own form: lines of values between commas under the header `time,key,bytes`, with optional columns
/// `cost` and `namespace`. Keys are any text without commas.
///
/// It is streamed: what it keeps is the tenants' names.
public struct CSVTrace: TraceSource {
    /// The columns that a header may name.
    enum Column: String, CaseIterable {
        case time, key, bytes, cost, namespace
    }

    /// What was odd so far.
    public private(set) var oddities = TraceOddities()
    /// The tenants so far.
    public private(set) var namespaces: [String] = []

    private var reader: BlockReader
    private let columns: [Column]
    private var tenants: [[UInt8]: Int] = [:]

    /// Opens a file.
    ///
    /// - Throws: `notFound`, `io`, and `corrupt` for a header that is not one.
    public init(_ path: String) throws(TesseraError) {
        var reader = try BlockReader(path)
        let header = try reader.nextLine { block, range, _ in String(decoding: block[range], as: UTF8.self) }
        guard let header else { throw TesseraError(.invalidInput, "the trace \(path) is empty") }
        columns = try Self.columns(header, path)
        self.reader = reader
    }

    private static func columns(_ header: String, _ path: String) throws(TesseraError) -> [Column] {
        let header = header.hasPrefix("\u{FEFF}") ? String(header.unicodeScalars.dropFirst()) : header
        let names = header.split(separator: ",", omittingEmptySubsequences: false)
        let columns = names.compactMap { Column(rawValue: $0.trimmingCharacters(in: .whitespaces).lowercased()) }
        guard columns.count == names.count, Set(columns).count == columns.count,
            [.time, .key, .bytes].allSatisfy(columns.contains)
        else {
            throw TesseraError(
                .corrupt,
                "\(path), line 1: a trace begins with the header time,key,bytes, and may have columns cost and namespace"
            )
        }
        return columns
    }

    /// The next requests.
    public mutating func next(_ limit: Int) throws(TesseraError) -> [TraceRequest] {
        var requests: [TraceRequest] = []
        requests.reserveCapacity(limit)
        while requests.count < limit {
            guard let request = try nextRequest() else { break }
            requests.append(request)
        }
        return requests
    }

    private mutating func nextRequest() throws(TesseraError) -> TraceRequest? {
        let (columns, path) = (columns, reader.path)
        var tenant: [UInt8]?
        let request = try reader.nextLine { (block, line, number) throws(TesseraError) in
            do throws(LineError) {
                return try Self.request(block, line, columns, &tenant)
            } catch {
                throw TesseraError(.corrupt, "\(path), line \(number): \(error.text)")
            }
        }
        guard var request else { return nil }
        request.time = oddities.ordered(request.time, at: reader.line)
        if let tenant { request.object.namespace = self.number(of: tenant) }
        return request
    }

    private mutating func number(of tenant: [UInt8]) -> Int {
        if let number = tenants[tenant] { return number }
        let number = tenants.count
        tenants[tenant] = number
        namespaces.append(String(decoding: tenant, as: UTF8.self))
        return number
    }

    private struct LineError: Error {
        var text: String

        init(_ text: String) { self.text = text }
    }

    private static func request(
        _ block: [UInt8], _ line: Range<Int>, _ columns: [Column], _ tenant: inout [UInt8]?
    ) throws(LineError) -> TraceRequest {
        var (time, bytes, key): (Double, Int, ObjectKey) = (0, 0, ObjectKey(0))
        var cost: Double?
        var start = line.lowerBound
        for (place, column) in columns.enumerated() {
            guard start <= line.upperBound else {
                throw LineError("\(columns.count) values are wanted, there are \(place)")
            }
            var end = start
            while end < line.upperBound, block[end] != 0x2C { end += 1 }
            let value = start..<end
            start = end + 1
            switch column {
            case .time:
                guard let number = decimal(block, value), number.isFinite else {
                    throw LineError("the time is no number")
                }
                time = number
            case .key:
                guard !value.isEmpty else { throw LineError("the key is empty") }
                key = ObjectKey(hashing: block[value])
            case .bytes:
                guard let number = decimal(block, value), number >= 1, number <= 0x1p40, number.rounded() == number
                else { throw LineError("the bytes are no whole number from 1 to 2⁴⁰") }
                bytes = Int(number)
            case .cost:
                guard let number = decimal(block, value), (0...1e18).contains(number) else {
                    throw LineError("the cost is no number from 0 to 1e18")
                }
                cost = number
            case .namespace:
                tenant = Array(block[value])
            }
        }
        guard start > line.upperBound else { throw LineError("\(columns.count) values are wanted, there are more") }
        return TraceRequest(time: time, object: CachedObject(key: key, bytes: bytes, cost: cost))
    }

    /// A number; digits and a point are read here, anything else by the library.
    private static func decimal(_ block: [UInt8], _ range: Range<Int>) -> Double? {
        var (whole, digits, point): (Int, Int, Int?) = (0, 0, nil)
        for place in range {
            let byte = block[place]
            if byte >= 0x30, byte <= 0x39, digits < 15 {
                whole = whole * 10 + Int(byte - 0x30)
                digits += 1
            } else if byte == 0x2E, point == nil {
                point = digits
            } else {
                return Double(String(decoding: block[range], as: UTF8.self))
            }
        }
        guard digits > 0 else { return nil }
        return point.map { Double(whole) / powers[digits - $0] } ?? Double(whole)
    }

    private static let powers: [Double] = (0...15).map { pow(10, Double($0)) }
}
