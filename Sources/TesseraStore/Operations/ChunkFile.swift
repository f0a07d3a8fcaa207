// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// A record as a safetensors file: `layers.N.keys` and `layers.N.values`, (token, KV head, dimension), keys before RoPE;
/// or `layers.N.record`, bytes, for a codec that has no plain form. The rest is in the metadata, also, as `kept`, the indices
/// of the tokens that there are rows of where that is not all.
enum ChunkFile {
    private static let format = "tessera-chunk-1"

    /// The file of a record.
    ///
    /// - Parameter layers: In the form that `codec` reads.
    static func data(
        of chunk: StoredChunk, codec: String, layers: [[UInt8]], behind: [ChunkKey], statistics: [UInt8]
    ) throws -> Data {
        let layout = chunk.layout
        var metadata = [
            "format": format, "key": chunk.key.description,
            "kind": chunk.kind == .prefix ? "prefix" : "chunk", "provenance": name(of: chunk.provenance),
            "fingerprint": chunk.fingerprint.description, "namespace": chunk.namespace, "codec": codec,
            "layout": "\(layout.layers),\(layout.heads),\(layout.headDimension)",
            "tokens": "[" + chunk.tokens.map(String.init).joined(separator: ",") + "]",
            "behind": "[" + behind.map { "\"\($0)\"" }.joined(separator: ",") + "]",
            "statistics": Data(statistics).base64EncodedString(), "created": String(chunk.created),
        ]
        if let kept = chunk.kept { metadata["kept"] = "[" + kept.map(String.init).joined(separator: ",") + "]" }
        var file = Safetensors(metadata: metadata)
        var end = 0
        for (index, layer) in layers.enumerated() {
            if let type = plainTypes[codec] {
                let shape = [chunk.rows, layout.heads, layout.headDimension]
                for (name, count) in [("keys", layer.count / 2), ("values", layer.count / 2)] {
                    file.tensors["layers.\(index).\(name)"] = .init(type: type, shape: shape, range: end..<end + count)
                    end += count
                }
            } else {
                file.tensors["layers.\(index).record"] = .init(
                    type: "U8", shape: [layer.count], range: end..<end + layer.count)
                end += layer.count
            }
        }
        return layers.reduce(into: try file.header()) { $0.append(contentsOf: $1) }
    }

    /// The record of a file, everything about it checked.
    ///
    /// - Throws: `corrupt` for anything that ``data(of:codec:layers:behind:statistics:)`` wouldn't have written,
    ///   `unsupported` for a codec that this build doesn't know.
    static func record(_ data: Data) throws(TesseraError) -> ChunkRecord {
        let (header, start) = try Safetensors.read(data)
        func text(_ name: String) throws(TesseraError) -> String {
            guard let value = header.metadata[name] else { throw Safetensors.bad("its metadata lack \(name)") }
            return value
        }
        guard try text("format") == format else { throw Safetensors.bad("its format is \(try text("format"))") }
        guard let fingerprint = Digest256(hexadecimal: try text("fingerprint")) else {
            throw Safetensors.bad("its fingerprint is no digest")
        }
        let layout = try self.layout(try text("layout"))
        let tokens = try self.tokens(try text("tokens"))
        let kept = try header.metadata["kept"].map { (list) throws(TesseraError) in try self.kept(list) }
        let codecName = try text("codec")
        guard let codec = StoreCodec.codec(named: codecName) else {
            throw TesseraError(.unsupported, "its codec \(codecName) is one that this Tessera doesn't know")
        }
        let layers = try self.layers(header, data, start, layout, tokens: kept?.count ?? tokens.count, codec: codec)
        let record: ChunkRecord
        switch (try text("kind"), try text("provenance")) {
        case ("chunk", "isolated"), ("prefix", "prefix"):
            record = ChunkRecord(
                kind: try text("kind") == "prefix" ? .prefix : .chunk, fingerprint: fingerprint,
                namespace: try text("namespace"), tokens: tokens, kept: kept, layout: layout, codec: codecName,
                layers: layers)
        case ("chunk", "contextual"):
            guard kept == nil else { throw Safetensors.bad("a variant lacks tokens") }
            guard let statistics = Data(base64Encoded: try text("statistics")) else {
                throw Safetensors.bad("its statistics are no base64")
            }
            record = ChunkRecord(
                behind: try behind(try text("behind")), statistics: [UInt8](statistics), fingerprint: fingerprint,
                namespace: try text("namespace"), tokens: tokens, layout: layout, codec: codecName, layers: layers)
        default: throw Safetensors.bad("its kind and provenance don't go together")
        }
        do { try record.validate() } catch { throw Safetensors.bad(error.message) }
        guard record.key.description == (try text("key")) else {
            throw Safetensors.bad("its key is not that of what it holds")
        }
        return record
    }

    private static let plainTypes = ["fp16": "F16", "bf16": "BF16"]

    private static func name(of provenance: Provenance) -> String {
        switch provenance {
        case .isolated: "isolated"
        case .prefix: "prefix"
        case .contextual: "contextual"
        }
    }

    private static func layout(_ text: String) throws(TesseraError) -> KVLayout {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 3, let layers = numbers[0], let heads = numbers[1], let dimension = numbers[2],
            (1...StoreKey.mostLayers).contains(layers), (1...65_536).contains(heads), (1...65_536).contains(dimension)
        else { throw Safetensors.bad("its layout is \(text)") }
        return KVLayout(layers: layers, heads: heads, headDimension: dimension)
    }

    private static func tokens(_ text: String) throws(TesseraError) -> [TokenID] {
        guard let tokens = try? JSONDecoder().decode([TokenID].self, from: Data(text.utf8)), !tokens.isEmpty,
            tokens.count <= RecordHeader.mostTokens
        else { throw Safetensors.bad("its tokens are no list of ids") }
        return tokens
    }

    /// A list of indices; whether they are of the record's tokens is checked with the record.
    private static func kept(_ text: String) throws(TesseraError) -> [Int] {
        guard let kept = try? JSONDecoder().decode([Int].self, from: Data(text.utf8)), !kept.isEmpty,
            kept.count <= RecordHeader.mostTokens
        else { throw Safetensors.bad("its kept tokens are no list of indices") }
        return kept
    }

    private static func behind(_ text: String) throws(TesseraError) -> [ChunkKey] {
        let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8))
        let keys = names?.compactMap { Digest256(hexadecimal: $0).map(ChunkKey.init(digest:)) }
        guard let keys, keys.count == names?.count else { throw Safetensors.bad("what it stands behind are no keys") }
        return keys
    }

    private static func layers(
        _ header: Safetensors, _ data: Data, _ start: Int, _ layout: KVLayout, tokens: Int, codec: any KVCodec
    ) throws(TesseraError) -> [[UInt8]] {
        let type = plainTypes[codec.name]
        guard header.tensors.count == layout.layers * (type == nil ? 1 : 2) else {
            throw Safetensors.bad("it has \(header.tensors.count) tensors for \(layout.layers) layers")
        }
        // Memory is taken for no more numbers than the file can have: the codecs that pack most make 1 byte of 8.
        let numbers = layout.layers.multipliedReportingOverflow(by: 2 * tokens * layout.width)
        guard !numbers.overflow, numbers.partialValue / 8 <= data.count else {
            throw Safetensors.bad("it is too short for its tokens and layout")
        }
        let probe = try CodecProbe(layout: layout, tokens: tokens)
        var layers: [[UInt8]] = []
        for layer in 0..<layout.layers {
            var bytes: [UInt8] = []
            for name in type == nil ? ["record"] : ["keys", "values"] {
                guard let tensor = header.tensors["layers.\(layer).\(name)"] else {
                    throw Safetensors.bad("it lacks layers.\(layer).\(name)")
                }
                let shape = type == nil ? [tensor.range.count] : [tokens, layout.heads, layout.headDimension]
                guard tensor.type == type ?? "U8", tensor.shape == shape else {
                    throw Safetensors.bad("layers.\(layer).\(name) has another type or other extents")
                }
                let from = data.startIndex + start
                bytes += data[from + tensor.range.lowerBound..<from + tensor.range.upperBound]
            }
            guard probe.reads(bytes, codec) else {
                throw Safetensors.bad("layer \(layer) is not one of its codec, or has numbers that are not finite")
            }
            layers.append(bytes)
        }
        return layers
    }
}

/// Finds out whether a codec can read a layer.
private struct CodecProbe {
    private let buffer: KVBuffer
    private let angles: RotaryAngles
    private let tokens: Int

    init(layout: KVLayout, tokens: Int) throws(TesseraError) {
        self.tokens = tokens
        buffer = try KVBuffer(
            layout: KVLayout(layers: 1, heads: layout.heads, headDimension: layout.headDimension), capacity: tokens)
        let rotary = RotaryTable(
            dimensions: layout.headDimension / 2 * 2, base: 10_000, pairing: .interleaved)
        angles = rotary.angles(at: 0..<Int32(tokens))
    }

    func reads(_ layer: [UInt8], _ codec: any KVCodec) -> Bool {
        let outcome: Void? = try? layer.withBytes { (bytes) throws(TesseraError) in
            try codec.place(bytes, tokens: tokens, into: buffer, layer: 0, at: 0, angles: angles)
        }
        return outcome != nil
    }
}
