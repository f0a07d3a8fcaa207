// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// Mooncake's traces of requests to a language model (Qin et al., FAST 2025): a line is an object with `timestamp` in
/// milliseconds and `hash_ids`, one number for each block of 512 tokens of the prompt. A request here is one block.
public struct MooncakeTrace: TraceSource {
    private struct Line: Decodable {
        var timestamp: Double
        var blocks: [UInt64]

        private enum CodingKeys: String, CodingKey {
            case timestamp
            case blocks = "hash_ids"
        }
    }

    /// The tokens of a block.
    public static let blockTokens = 512

    /// What was odd so far.
    public private(set) var oddities = TraceOddities()

    private var reader: BlockReader
    private let bytesPerToken: Int
    private let decoder = JSONDecoder()
    private var waiting: ArraySlice<TraceRequest> = []

    /// Opens a file.
    ///
    /// - Parameter bytesPerToken: What a token's KV takes; by default that of Llama-3-8B in fp16.
    public init(_ path: String, bytesPerToken: Int = 128 << 10) throws(TesseraError) {
        reader = try BlockReader(path)
        self.bytesPerToken = bytesPerToken
    }

    /// The next requests.
    public mutating func next(_ limit: Int) throws(TesseraError) -> [TraceRequest] {
        while waiting.count < limit, let line = try nextLine() {
            let time = oddities.ordered(line.timestamp / 1000, at: reader.line)
            waiting += line.blocks.map {
                TraceRequest(
                    time: time,
                    object: CachedObject(key: ObjectKey($0), bytes: Self.blockTokens * bytesPerToken))
            }
        }
        let next = waiting.prefix(limit)
        waiting = waiting.dropFirst(limit)
        return Array(next)
    }

    private mutating func nextLine() throws(TesseraError) -> Line? {
        let (decoder, path) = (decoder, reader.path)
        return try reader.nextLine { (block, range, number) throws(TesseraError) in
            do {
                return try decoder.decode(Line.self, from: Data(block[range]))
            } catch {
                throw TesseraError(
                    .corrupt, "\(path), line \(number): no object with a timestamp and hash_ids: \(describe(error))")
            }
        }
    }
}

/// A decoding error in a few words.
private func describe(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "\(key.stringValue) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
        "\(context.codingPath.map(\.stringValue).joined(separator: ".")) is of another type"
    default: "it is no JSON"
    }
}
