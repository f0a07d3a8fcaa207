// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraTestSupport
import Testing

@testable import TesseraKV

extension Codecs {
    /// A codec under test: one of ``StoreCodec``, or one that needs an asset.
    struct Subject: Sendable, CustomTestStringConvertible {
        let codec: any KVCodec

        var testDescription: String { codec.name }
        /// Whether its records begin with the version of their format.
        var hasVersion: Bool { ["k8v4", "q4", "zipcache", "lowrank"].contains { codec.name.hasPrefix($0) } }
    }

    /// All codecs for layers of a shape.
    static func subjects(_ shape: Shape) -> [Subject] {
        StoreCodec.allCases.map { Subject(codec: $0.codec) } + [Subject(codec: lowRank(shape, share: 0.6))]
    }

    /// Those whose records begin with a version.
    static func packed(_ shape: Shape) -> [Subject] { subjects(shape).filter(\.hasVersion) }

    /// A codec with the principal directions of noise.
    static func lowRank(_ shape: Shape, share: Double) -> LowRankCodec {
        var moments = KVMoments(layout: shape.layout)
        for layer in 0..<shape.layout.layers {
            let count = 3 * shape.dimension * shape.layout.width
            let numbers = normals(2 * count, seed: UInt64(layer + 1))
            moments.add(
                keys: Array(numbers.prefix(count)), values: Array(numbers.suffix(count)), layer: layer)
        }
        do {
            return LowRankCodec(basis: try LowRankBasis(moments, share: share))
        } catch {
            preconditionFailure("no basis: \(error)")
        }
    }

    /// Numbers of a normal distribution, by Box and Muller's transform.
    static func normals(_ count: Int, seed: UInt64 = 1) -> [Float] {
        var generator = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            let radius = sqrt(-2 * log(Float.random(in: 1e-7...1, using: &generator)))
            return radius * cos(Float.random(in: 0...2 * .pi, using: &generator))
        }
    }

    /// ‖a − b‖ / ‖b‖.
    static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
        let error = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
        return (error / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
    }

    /// What a codec makes of keys and values, not rotated.
    static func roundTrip(
        _ keys: [Float], _ values: [Float], by codec: any KVCodec, _ shape: Shape,
        hints: EncodingHints = EncodingHints(layer: 1)
    ) throws -> (keys: [Float], values: [Float]) {
        let record = try codec.encode(keys: keys, values: values, layout: shape.layout, hints: hints)
        let positions = [Int32](repeating: 0, count: keys.count / shape.layout.width)
        return try place(record, by: codec, Shape(shape.heads, shape.dimension, 0), at: positions)
    }
}
