// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraReuse
import TesseraStore
import TesseraTestSupport
import Testing

@testable import Tessera

struct `stitched KV for other runtimes` {
    private static let chunks: [[TokenID]] = [Array(20..<44), Array(60..<97)]
    private static let gap: [TokenID] = [7, 8, 9]
    private static let options = AnswerOptions(assembly: .stitched(.none, ratio: 0), ungated: true)

    /// Text, a chunk, text, a chunk, text.
    private static var segments: [PlanSegment] {
        [.text(gap), .chunk(chunks[0]), .text(gap), .chunk(chunks[1]), .text(gap)]
    }

    /// What a file of a stitched prompt holds.
    private struct Contents {
        var header: Safetensors
        var start: Int
        var data: Data

        init(_ prompt: StitchedPrompt, _ format: KVFileFormat) throws {
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).safetensors")
            defer { try? FileManager.default.removeItem(at: file) }
            #expect(FileManager.default.createFile(atPath: file.path, contents: nil))
            let handle = try FileHandle(forWritingTo: file)
            let size = try prompt.write(to: handle.fileDescriptor, format)
            data = try Data(contentsOf: file)
            #expect(data.count == size)
            (header, start) = try Safetensors.read(data)
        }

        func numbers(_ name: String) throws -> [Float] {
            let tensor = try #require(header.tensors[name])
            let element = try #require(KVFileFormat.Element(rawValue: tensor.type))
            return element.numbers(in: data[start + tensor.range.lowerBound..<start + tensor.range.upperBound])
        }
    }

    /// The rows of the chunks where they stand, worked out by the codec's own placement.
    private func expected(_ cache: ContextCache, rotated: Bool) async throws -> KVBuffer {
        let layout = cache.model.layout
        let buffer = try KVBuffer(layout: layout, capacity: 2 * 64)
        var slot = Self.gap.count
        for chunk in Self.chunks {
            let store = cache.chunkStore
            let record = try #require(
                try store.lookup(cache.key(of: chunk), fingerprint: cache.digest, namespace: cache.namespace))
            let loaded = try #require(try store.load(record))
            let codec = try #require(StoreCodec.codec(named: loaded.codec))
            let angles =
                rotated
                ? cache.model.rotary.angles(at: Int32(slot)..<Int32(slot + chunk.count))
                : cache.model.rotary.angles(at: repeatElement(0, count: chunk.count))
            for layer in 0..<layout.layers {
                try loaded.withLayer(layer) {
                    try codec.place($0, tokens: chunk.count, into: buffer, layer: layer, at: slot, angles: angles)
                }
            }
            slot += chunk.count + Self.gap.count
        }
        return buffer
    }

    @Test(arguments: [true, false])
    func `holds each chunk's rows where they stand, and nothing elsewhere`(rotated: Bool) async throws {
        try await withSmallCache { cache in
            try await cache.ingest(chunks: Self.chunks)
            let prompt = try await cache.stitch(Self.segments, options: Self.options)
            #expect(prompt.valid == [3..<27, 30..<67] && prompt.plan.promptTokens == 70)
            let format = KVFileFormat(element: .f32, isRotated: rotated, pairing: cache.model.rotary.pairing)
            let contents = try Contents(prompt, format)
            let expected = try await expected(cache, rotated: rotated)
            for layer in 0..<cache.model.layout.layers {
                let rows = expected.rows(0..<70, of: layer)
                #expect(try contents.numbers("layers.\(layer).keys") == rows.keys)
                #expect(try contents.numbers("layers.\(layer).values") == rows.values)
            }
            #expect(contents.start % 64 == 0)
        }
    }

    @Test func `lies in the order, type and pairing that is asked for`() async throws {
        try await withSmallCache { cache in
            try await cache.ingest(chunks: Self.chunks)
            let layout = cache.model.layout
            let prompt = try await cache.stitch(Self.segments, options: Self.options)
            let plain = try Contents(
                prompt, KVFileFormat(element: .f32, pairing: .interleaved)
            ).numbers("layers.1.keys")
            let other = try Contents(
                prompt, KVFileFormat(element: .f32, order: .head, pairing: .halves)
            )
            #expect(other.header.tensors["layers.1.keys"]?.shape == [layout.heads, 70, layout.headDimension])
            let numbers = try other.numbers("layers.1.keys")
            let pairs = cache.model.rotary.frequencies.count
            for token in [3, 26, 30, 66] {
                for head in 0..<layout.heads {
                    let (from, to) = (
                        (token * layout.heads + head) * layout.headDimension, (head * 70 + token) * layout.headDimension
                    )
                    for pair in 0..<pairs {
                        #expect(numbers[to + pair] == plain[from + 2 * pair])
                        #expect(numbers[to + pair + pairs] == plain[from + 2 * pair + 1])
                    }
                }
            }
            for element in [KVFileFormat.Element.f16, .bf16] {
                let narrow = try Contents(prompt, KVFileFormat(element: element, pairing: .interleaved))
                    .numbers("layers.1.keys")
                let scale = plain.map(abs).max() ?? 1
                #expect(largestDifference(narrow, plain) <= scale * (element == .f16 ? 0x1p-11 : 0x1p-8))
            }
        }
    }

    @Test func `is the same however many rows go at a time`() async throws {
        try await withSmallCache { cache in
            try await cache.ingest(chunks: Self.chunks)
            var prompt = try await cache.stitch(Self.segments, options: Self.options)
            for format in [
                KVFileFormat(element: .f16, pairing: .halves), KVFileFormat(element: .f16, pairing: .interleaved),
            ] {
                prompt.tileNumbers = 1 << 20
                let whole = try Contents(prompt, format).data
                for rows in [1, 5, 36, 37] {
                    prompt.tileNumbers = rows * cache.model.layout.width
                    #expect(try Contents(prompt, format).data == whole, "\(rows) rows")
                }
            }
        }
    }

    @Test func `is taken in again as it was, whatever form it had`() async throws {
        try await withSmallCache { cache in
            let chunk = Self.chunks[1]
            try await cache.ingest(chunks: [chunk])
            let prompt = try await cache.stitch([.text(Self.gap), .chunk(chunk)], options: Self.options)
            let other = try ContextCache(beside: cache, namespace: "default", producer: "elsewhere/1")
            #expect(other.key(of: chunk) != cache.key(of: chunk))
            let layout = cache.model.layout
            for format in [
                KVFileFormat(element: .f32, order: .head, pairing: .halves),
                KVFileFormat(element: .f32, isRotated: false, pairing: .interleaved),
            ] {
                let contents = try Contents(prompt, format)
                let file = try importFile(contents, chunk, cache, format)
                let taken = try await other.take(try ImportFile(file))
                #expect(taken.key == other.key(of: chunk) && taken.tokens == chunk.count)
                let back = try await other.stitch([.text(Self.gap), .chunk(chunk)], options: Self.options)
                let plain = KVFileFormat(element: .f32, pairing: .interleaved)
                let (before, after) = (try Contents(prompt, plain), try Contents(back, plain))
                for layer in 0..<layout.layers {
                    for name in ["layers.\(layer).keys", "layers.\(layer).values"] {
                        let (a, b) = (try before.numbers(name), try after.numbers(name))
                        // Turning back and forth is rounding, and so is fp16.
                        #expect(largestDifference(a, b) < 2e-3 * (a.map(abs).max() ?? 1), "\(name)")
                    }
                }
                #expect(try cache.chunkStore.remove([taken.key]) == 1)
            }
        }
    }

    @Test func `made elsewhere is refused where it does not fit`() async throws {
        try await withSmallCache { cache in
            let chunk = Self.chunks[0]
            try await cache.ingest(chunks: [chunk])
            let prompt = try await cache.stitch([.chunk(chunk)], options: Self.options)
            let other = try ContextCache(beside: cache, namespace: "default", producer: "elsewhere/1")
            let format = KVFileFormat(element: .f32, pairing: .interleaved)
            let contents = try Contents(prompt, format)
            let good = try importFile(contents, chunk, cache, format)
            _ = try ImportFile(good)
            for (field, value) in [
                ("format", "x"), ("fingerprint", "12"), ("order", "sideways"), ("rope", "perhaps"),
                ("pairing", "thirds"), ("tokens", "[]"), ("tokens", "[1,"), ("position_base", "-1"),
            ] {
                let bad = try importFile(contents, chunk, cache, format, [field: value])
                #expect(throws: TesseraError.self, "\(field)") { try ImportFile(bad) }
            }
            for (field, value) in [
                ("fingerprint", String(repeating: "ab", count: 32)), ("producer", "elsewhere/2"),
                ("tokens", "[" + Array(repeating: "99999999", count: chunk.count).joined(separator: ",") + "]"),
                ("tokens", "[1,2]"),
            ] {
                let bad = try ImportFile(importFile(contents, chunk, cache, format, [field: value]))
                await #expect(throws: TesseraError.self, "\(field)") { try await other.take(bad) }
            }
            await #expect(throws: TesseraError.self) { try await other.ingest(chunks: [chunk]) }
        }
    }

    @Test func `an imported chunk that holds no numbers is refused`() async throws {
        try await withSmallCache { cache in
            let chunk = Self.chunks[0]
            try await cache.ingest(chunks: [chunk])
            let prompt = try await cache.stitch([.chunk(chunk)], options: Self.options)
            let other = try ContextCache(beside: cache, namespace: "default", producer: "elsewhere/1")
            let format = KVFileFormat(element: .f32, pairing: .interleaved)
            var contents = try Contents(prompt, format)
            withUnsafeBytes(of: Float.nan) {
                contents.data.replaceSubrange(contents.start..<contents.start + 4, with: $0)
            }
            let file = try ImportFile(importFile(contents, chunk, cache, format))
            await #expect(throws: TesseraError.self) { try await other.take(file) }
            // It is said where: here in the fifth token of the last layer.
            contents = try Contents(prompt, format)
            let layout = cache.model.layout
            let tensor = try #require(contents.header.tensors["layers.\(layout.layers - 1).values"])
            let place = contents.start + tensor.range.lowerBound + 4 * (4 * layout.width + 1)
            withUnsafeBytes(of: Float.infinity) { contents.data.replaceSubrange(place..<place + 4, with: $0) }
            let infinite = try ImportFile(importFile(contents, chunk, cache, format))
            do {
                _ = try await other.take(infinite)
                Issue.record("an infinite value was taken in")
            } catch let error as TesseraError {
                #expect(error.code == .invalidInput)
                #expect(error.message.hasPrefix("in layer \(layout.layers - 1), token 4 has a key or value"))
            }
            #expect(try cache.chunkStore.contains([other.key(of: chunk)]) == [false])
        }
    }

    /// The rows of one chunk out of a stitched file, as a runtime elsewhere would bring them.
    private func importFile(
        _ contents: Contents, _ chunk: [TokenID], _ cache: ContextCache, _ format: KVFileFormat,
        _ changes: [String: String] = [:]
    ) throws -> Data {
        let layout = cache.model.layout
        let total = contents.header.tensors["layers.0.keys"]?.shape[format.order == .head ? 1 : 0] ?? 0
        let base = total - chunk.count
        var metadata = [
            "format": "tessera-import-1", "fingerprint": cache.digest.description, "producer": "elsewhere/1",
            "order": format.order.rawValue, "rope": format.isRotated ? "applied" : "none",
            "pairing": format.pairing.rawValue, "position_base": String(base),
            "tokens": "[" + chunk.map(String.init).joined(separator: ",") + "]",
        ]
        metadata.merge(changes) { $1 }
        var file = Safetensors(metadata: metadata)
        var body = Data()
        for layer in 0..<layout.layers {
            for name in ["layers.\(layer).keys", "layers.\(layer).values"] {
                let numbers = try contents.numbers(name)
                var rows: [Float] = []
                switch format.order {
                case .token: rows = Array(numbers[(base * layout.width)...])
                case .head:
                    for head in 0..<layout.heads {
                        let start = (head * total + base) * layout.headDimension
                        rows += numbers[start..<start + chunk.count * layout.headDimension]
                    }
                }
                let begin = body.count
                rows.withUnsafeBytes { body.append(contentsOf: $0) }
                file.tensors[name] = .init(
                    type: "F32", shape: format.shape(tokens: chunk.count, layout), range: begin..<body.count)
            }
        }
        return try file.header() + body
    }
}
