// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraKV
import Testing

struct `retrieval heads` {
    let golden = (retrieval: PressGoldens.all.retrieval, eviction: PressGoldens.all.eviction)

    @Test func `score by the attention on the needle while its tokens are said`() {
        let view = PressGoldens.all.views(of: "grouped", budget: 24)[0]
        let found = retrievalScores(
            view.attention, heads: view.queryHeads, counted: golden.retrieval.counted,
            span: golden.retrieval.span[0]..<golden.retrieval.span[1])
        #expect(zip(found, golden.retrieval.scores).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(found.count == 8)
    }

    @Test func `score nothing where no token of the needle was said, or there is no needle`() {
        let attention = [Float](repeating: 0.25, count: 2 * 3 * 4)
        #expect(retrievalScores(attention, heads: 3, counted: [false, false], span: 0..<4) == [0, 0, 0])
        #expect(retrievalScores(attention, heads: 3, counted: [true, true], span: 2..<2) == [0, 0, 0])
        #expect(retrievalScores(attention, heads: 3, counted: [true, true], span: 1..<3) == [1, 1, 1])
        #expect(retrievalScores([], heads: 3, counted: [], span: 0..<0) == [0, 0, 0])
    }

    @Test func `are the best first, of equal ones the lower, as many as there are`() {
        #expect(bestHeads(3, of: [0.5, 2, 0.5, 1]) == [1, 3, 0])
        #expect(bestHeads(9, of: [1, 1, 2]) == [2, 0, 1])
        #expect(bestHeads(0, of: [1, 1, 2]) == [])
    }

    @Test func `cost of eviction: how far the outputs are off, row by row`() {
        let error = evictionError(
            full: PressGoldens.numbers(golden.eviction.full),
            compressed: PressGoldens.numbers(golden.eviction.compressed),
            width: golden.eviction.width, epsilon: golden.eviction.epsilon)
        #expect(abs(error - golden.eviction.error) < 1e-6)
        #expect(evictionError(full: [3, 4], compressed: [3, 4], width: 2) == 0)
        #expect(
            abs(evictionError(full: [3, 4, 0, 0], compressed: [0, 0, 0, 1], width: 2, epsilon: 0.5) - (5 / 5.5 + 2))
                < 1e-9)
    }

    @Test func `cost of eviction: each set of texts counts alike, and all layers add up to 1`() {
        let shares = evictionErrors(golden.eviction.sets)
        #expect(zip(shares, golden.eviction.shares).allSatisfy { abs($0 - $1) < 1e-12 } && shares.count == 3)
        #expect(evictionErrors([[1, 3]]) == [0.25, 0.75])
        #expect(evictionErrors([[1, 3], [300, 100]]) == [0.5, 0.5])
        #expect(evictionErrors([]) == [])
    }
}

struct `assets of retrieval heads` {
    let assets: HeadAssets
    let model: ModelDescription

    init() {
        model = Self.model(named: "a", queryHeads: 4, layers: 2)
        assets = HeadAssets(
            weights: "\(model.weights)", queryHeads: 4, scores: [[0, 3, 1, 2], [5, 5, 0, 1]],
            costs: EvictionCosts(shares: [0.0625, 0.5], layers: [[0.75, 0.25], [1, 0]]), outputErrors: [0.375, 0.625],
            samples: 3)
    }

    static func model(named name: String, queryHeads: Int, layers: Int) -> ModelDescription {
        ModelDescription(
            name: name, architecture: "llama", width: 32, queryHeads: queryHeads,
            layout: KVLayout(layers: layers, heads: 2, headDimension: 8), vocabulary: 10, contextLength: 100,
            rotary: RotaryTable(dimensions: 8, base: 10_000, pairing: .halves), precision: "fp32", chatTemplate: nil,
            weights: Digest256(of: Data(name.utf8)))
    }

    /// The assets as JSON with one thing changed.
    func changed(_ old: String, _ new: String) throws -> [UInt8] {
        let text = String(decoding: try assets.encoded(), as: UTF8.self)
        #expect(text.contains(old))
        return Array(text.replacing(old, with: new).utf8)
    }

    /// The assets as JSON of another format.
    func ofVersion(_ version: Int) throws -> [UInt8] {
        try changed("\"version\" : \(HeadAssets.version)", "\"version\" : \(version)")
    }

    @Test func `tell how strongly each layer's best heads gather, against the strongest layer`() {
        #expect(assets.strengths(2) == [0.5, 1] && assets.strengths(1) == [0.6, 1])
        #expect(retrievalStrengths([[0, 0], [0, 0]], heads: 1) == [0, 0] && retrievalStrengths([], heads: 4) == [])
    }

    @Test func `come back as they were written, with the best heads of each layer`() throws {
        let read = try HeadAssets(try assets.encoded(), for: model)
        #expect(
            read == assets && read.heads(2) == [[1, 3], [0, 1]] && read.heads() == [[1, 3, 2, 0], [0, 1, 3, 2]])
    }

    @Test func `of other weights or another shape are refused`() throws {
        let bytes = try assets.encoded()
        expectRefusal(.invalidInput, "another model", "calibrate heads") {
            try HeadAssets(bytes, for: Self.model(named: "b", queryHeads: 4, layers: 2))
        }
        for (queryHeads, layers) in [(8, 2), (4, 3)] {
            expectRefusal(
                .invalidInput, "2 layers with 4 query heads", "\(layers) with \(queryHeads)", "calibrate heads"
            ) { try HeadAssets(bytes, for: Self.model(named: "a", queryHeads: queryHeads, layers: layers)) }
        }
        var fewer = assets
        fewer.scores[1] = [1, 2]
        expectRefusal(.invalidInput, "query heads") { try HeadAssets(try fewer.encoded(), for: model) }
    }

    @Test func `of a newer format are refused as such, whatever else they hold`() throws {
        for bytes in [try ofVersion(HeadAssets.version + 1), Array(#"{"version": 7}"#.utf8)] {
            expectRefusal(.unsupported, "format", "up to \(HeadAssets.version)", "calibrate heads") {
                try HeadAssets(bytes, for: model)
            }
        }
    }

    @Test func `of an older format have to be measured again`() throws {
        for version in 0..<HeadAssets.version {
            let bytes = try ofVersion(version)
            expectRefusal(.unsupported, "earlier version", "calibrate heads") { try HeadAssets(bytes, for: model) }
        }
    }

    @Test func `that are damaged are refused, and never end the process`() throws {
        let bytes = try assets.encoded()
        for length in 0..<bytes.count {
            expectRefusal(.corrupt, "calibrate heads") { try HeadAssets(Array(bytes[..<length]), for: model) }
        }
        let changes = [
            ("0.625", "0.5"), ("0.375", "1e300"), ("0.75", "-0.75"), ("0.75", "1e999"), ("0.0625", "0.5"),
            ("0.0625", "0"), ("0.75", "1.5"),
            ("0.75", "null"),
            ("\"samples\" : 3", "\"samples\" : -3"), ("\"samples\" : 3", "\"samples\" : 3.5"),
            ("\"scores\"", "\"scored\""),
            ("\"queryHeads\" : 4", "\"queryHeads\" : \"4\""),
        ]
        for (old, new) in changes {
            expectRefusal(.corrupt, "calibrate heads") { try HeadAssets(try changed(old, new), for: model) }
        }
        expectRefusal(.corrupt, "calibrate heads") { try HeadAssets(Array("[]".utf8), for: model) }
    }

    @Test func `that are not finite are not written`() {
        var assets = assets
        assets.scores[0][0] = .infinity
        expectRefusal(.invalidInput, "not finite") { try assets.encoded() }
    }
}
