// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraCompression
public import TesseraKV

/// What codecs make of chunks of a real model's shape: bytes, errors, and how fast one core writes and reads them.
///
/// The numbers are drawn at random, with what is hard on codecs: some channels of keys lie far from 0 and spread far
/// wider than others, and some tokens have large values.
public struct CodecBench: Sendable {
    /// The figures of a codec.
    public struct Result: Sendable, Codable {
        /// The codec.
        public var codec: String
        /// Tokens of a chunk.
        public var tokens: Int
        /// KV heads.
        public var heads: Int
        /// Their dimension.
        public var headDimension: Int
        /// Bytes of a token's keys and values, all parameters counted.
        public var bytesPerToken: Double
        /// These ÷ those of fp16.
        public var ratioToFP16: Double
        /// ‖x̂ − x‖ ÷ ‖x − mean of the channel‖ of keys.
        public var keyError: Double
        /// The same of values.
        public var valueError: Double
        /// What is encoded on one core, in 10⁹ bytes a second of the same numbers in fp16; the median of all rounds.
        public var encode: Double
        /// What is decoded, with rotation, in the same unit.
        public var decode: Double
        /// What memcpy makes of as many bytes in the same run.
        public var memcpy: Double
    }

    /// The shapes of one layer that are measured: 512 channels, as KV heads of 64 and of 128 dimensions.
    public var shapes = [(heads: 8, headDimension: 64), (heads: 4, headDimension: 128)]
    /// Tokens of a chunk.
    public var tokens = 512
    /// Layers that are gone through in a round, so that they don't stay in the processor's caches.
    public var layers = 8
    /// How often everything is timed.
    public var rounds = 7

    /// The bench of the README.
    public init() {}

    /// Measures codecs at all shapes.
    public func run(_ codecs: [StoreCodec] = StoreCodec.allCases) throws(TesseraError) -> [Result] {
        var results: [Result] = []
        for shape in shapes {
            let layout = KVLayout(layers: layers, heads: shape.heads, headDimension: shape.headDimension)
            let chunk = SyntheticKV(layout, tokens: tokens, seed: 1)
            for codec in codecs { results.append(try measure(codec.codec, chunk)) }
            for share in [0.5, 0.75] { results.append(try measure(try chunk.lowRank(share), chunk)) }
        }
        return results
    }

    private func measure(_ codec: any KVCodec, _ chunk: SyntheticKV) throws(TesseraError) -> Result {
        let layout = chunk.layout
        let buffer = try KVBuffer(layout: layout, capacity: tokens)
        let rotary = RotaryTable(dimensions: layout.headDimension, base: 500_000, pairing: .halves)
        let angles = rotary.angles(at: (0..<Int32(tokens)).map { 1000 + $0 })
        let inverse = rotary.inverseAngles(at: (0..<Int32(tokens)).map { 1000 + $0 })
        var records: [[UInt8]] = []
        var times: (encode: [Double], decode: [Double], copy: [Double]) = ([], [], [])
        var memory = Copy(byteCount: layout.layers * tokens * layout.width * 4)
        for _ in 0..<rounds {
            times.encode.append(
                try seconds { () throws(TesseraError) in records = try chunk.encoded(by: codec) })
            times.decode.append(
                try seconds { () throws(TesseraError) in
                    for (layer, record) in records.enumerated() {
                        try codec.place(record, tokens: tokens, into: buffer, layer: layer, angles: angles)
                    }
                })
            times.copy.append(seconds { memory.run() })
        }
        var errors = (keys: 0.0, values: 0.0)
        for layer in 0..<layout.layers {
            var (keys, values) = buffer.rows(0..<tokens, of: layer)
            inverse.turn(&keys, heads: layout.heads, headDimension: layout.headDimension)
            errors.keys += relativeError(keys, chunk.keys[layer], width: layout.width) / Double(layout.layers)
            errors.values += relativeError(values, chunk.values[layer], width: layout.width) / Double(layout.layers)
        }
        let numbers = Double(layout.layers * tokens)
        let bytes = Double(records.reduce(0) { $0 + $1.count }) / numbers
        func rate(_ seconds: [Double]) -> Double { Double(memory.byteCount) / median(seconds) / 1e9 }
        return Result(
            codec: codec.name.hasPrefix("lowrank") ? "lowrank" : codec.name, tokens: tokens, heads: layout.heads,
            headDimension: layout.headDimension, bytesPerToken: bytes,
            ratioToFP16: bytes / Double(4 * layout.width), keyError: errors.keys, valueError: errors.values,
            encode: rate(times.encode), decode: rate(times.decode), memcpy: rate(times.copy))
    }

    private func seconds<Failure: Error>(_ work: () throws(Failure) -> Void) throws(Failure) -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try work()
        let duration = (clock.now - start).components
        return Double(duration.seconds) + Double(duration.attoseconds) / 1e18
    }
}

/// ‖x̂ − x‖ ÷ ‖x − mean of the channel‖, so that a constant that channels share does not make errors look small.
func relativeError(_ found: [Float], _ true: [Float], width: Int) -> Double {
    let tokens = `true`.count / width
    var (off, spread) = (0.0, 0.0)
    for channel in 0..<width {
        let column = stride(from: channel, to: `true`.count, by: width)
        let mean = column.reduce(0) { $0 + Double(`true`[$1]) } / Double(max(1, tokens))
        for index in column {
            off += pow(Double(found[index]) - Double(`true`[index]), 2)
            spread += pow(Double(`true`[index]) - mean, 2)
        }
    }
    return (off / max(spread, .leastNormalMagnitude)).squareRoot()
}

/// Memory that is copied to have something to compare with.
private struct Copy {
    private var source: [UInt8]
    private var destination: [UInt8]

    init(byteCount: Int) {
        source = Array(repeating: 1, count: byteCount)
        destination = Array(repeating: 0, count: byteCount)
    }

    var byteCount: Int { source.count }

    mutating func run() {
        source[0] &+= 1
        source.withUnsafeBytes { from in destination.withUnsafeMutableBytes { $0.copyMemory(from: from) } }
    }
}
