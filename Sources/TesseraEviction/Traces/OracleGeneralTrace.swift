// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// libCacheSim's binary form `oracleGeneral`: records of 24 bytes, little-endian: the time in seconds (32 bits), the key (64),
/// the bytes (32), and the number of the next request for the key (64), which is not used here.
public struct OracleGeneralTrace: TraceSource {
    static let recordByteCount = 24

    /// What was odd so far.
    public private(set) var oddities = TraceOddities()

    private var reader: BlockReader
    private var records = 0

    /// Opens a file.
    public init(_ path: String) throws(TesseraError) {
        reader = try BlockReader(path)
    }

    /// The next requests.
    public mutating func next(_ limit: Int) throws(TesseraError) -> [TraceRequest] {
        var requests: [TraceRequest] = []
        while requests.isEmpty {
            let bytes = try reader.next(limit * Self.recordByteCount)
            guard bytes.count % Self.recordByteCount == 0 else {
                let last = records + bytes.count / Self.recordByteCount + 1
                throw TesseraError(.corrupt, "\(reader.path) ends within record \(last); its records have 24 bytes")
            }
            guard !bytes.isEmpty else { break }
            requests.reserveCapacity(bytes.count / Self.recordByteCount)
            for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: Self.recordByteCount) {
                records += 1
                let size = Int(Self.number(bytes, start + 12, 4))
                guard size > 0 else {
                    oddities.empty += 1
                    continue
                }
                let time = oddities.ordered(Double(Self.number(bytes, start, 4)), at: records)
                let key = ObjectKey(Self.number(bytes, start + 4, 8))
                requests.append(TraceRequest(time: time, object: CachedObject(key: key, bytes: size)))
            }
        }
        return requests
    }

    private static func number(_ bytes: ArraySlice<UInt8>, _ start: Int, _ count: Int) -> UInt64 {
        var number: UInt64 = 0
        for place in stride(from: count - 1, through: 0, by: -1) {
            number = number << 8 | UInt64(bytes[start + place])
        }
        return number
    }
}
