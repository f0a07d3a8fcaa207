// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// The forms of trace files.
public enum TraceFormat: String, Sendable, CaseIterable {
    /// Tessera's own: `time,key,bytes`, with optional columns `cost` and `namespace`.
    case csv
    /// libCacheSim's binary records.
    case oracleGeneral
    /// Mooncake's lines of JSON.
    case mooncake

    /// The form that a file's name and first bytes tell.
    ///
    /// - Throws: `unsupported` for a compressed file, `notFound` and `io`.
    public init(of path: String) throws(TesseraError) {
        var reader = try BlockReader(path)
        let head = Array(try reader.next(256))
        guard !head.isEmpty else { throw TesseraError(.invalidInput, "the trace \(path) is empty") }
        guard !head.starts(with: [0x28, 0xB5, 0x2F, 0xFD]), !head.starts(with: [0x1F, 0x8B]) else {
            throw TesseraError(.unsupported, "the trace \(path) is compressed; unpack it with zstd -d or gunzip first")
        }
        let line = head.drop { $0 == 0x0A || $0 == 0x0D }.prefix { $0 != 0x0A }
        if head.first == UInt8(ascii: "{") {
            self = .mooncake
        } else if line.allSatisfy({ $0 >= 0x20 || $0 == 0x09 || $0 == 0x0D }) {
            // A record's time, key and size have bytes of 0, or others that no text has.
            self = .csv
        } else {
            self = .oracleGeneral
        }
    }
}

/// A trace in a file.
public struct TraceFile: Trace {
    /// The path.
    public let path: String
    /// The form.
    public let format: TraceFormat

    /// Names a file.
    ///
    /// - Parameter format: By default what the name and the first bytes tell.
    public init(_ path: String, format: TraceFormat? = nil) throws(TesseraError) {
        self.path = path
        if let format { self.format = format } else { self.format = try TraceFormat(of: path) }
    }

    /// Opens the file.
    public func open() throws(TesseraError) -> any TraceSource {
        switch format {
        case .csv: try CSVTrace(path)
        case .oracleGeneral: try OracleGeneralTrace(path)
        case .mooncake: try MooncakeTrace(path)
        }
    }
}
