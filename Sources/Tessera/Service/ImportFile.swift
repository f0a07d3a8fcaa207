// SPDX-License-Identifier: Apache-2.0

package import Foundation
package import TesseraKV
internal import TesseraStore

/// KV that another runtime made, as a safetensors file: `layers.N.keys` and `layers.N.values`, and in its metadata what it
/// is of and how it lies.
///
/// | metadata | |
/// |---|---|
/// | `format` | `tessera-import-1` |
/// | `fingerprint` | the fingerprint of the model that `/v1/models` shows |
/// | `producer` | the runtime's name, with everything that changes its numbers |
/// | `tokens` | the ids, `[1,2,3]` |
/// | `order` | `token` for (token, head, dimension), `head` for (head, token, dimension) |
/// | `rope` | `applied` or `none` |
/// | `pairing` | `interleaved` or `halves` |
/// | `position_base` | the position of the first token, where RoPE was applied |
package struct ImportFile: Sendable {
    /// The runtime's name.
    package let producer: String
    /// The model's fingerprint, as the runtime states it.
    package let fingerprint: Digest256
    /// The chunk's ids.
    package let tokens: [TokenID]
    private let order: KVFileFormat.Order
    private let pairing: RotaryTable.Pairing
    /// The position of the first token; nil for keys before RoPE.
    private let base: Int32?
    private let data: Data
    private let header: Safetensors
    private let start: Int

    private static let format = "tessera-import-1"

    /// Reads what a file says of itself.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a file that is none, or lacks something.
    package init(_ data: Data) throws(TesseraError) {
        self.data = data
        do throws(TesseraError) {
            (header, start) = try Safetensors.read(data)
        } catch {
            throw TesseraError(.invalidInput, error.message)
        }
        let metadata = header.metadata
        func text(_ name: String) throws(TesseraError) -> String {
            guard let text = metadata[name] else { throw Self.bad("its metadata lack \(name)") }
            return text
        }
        func choice<Choice: RawRepresentable<String>>(_ name: String) throws(TesseraError) -> Choice {
            guard let choice = Choice(rawValue: try text(name)) else {
                throw Self.bad("its \(name) can't be \(try text(name))")
            }
            return choice
        }
        guard try text("format") == Self.format else { throw Self.bad("its format is not \(Self.format)") }
        producer = try text("producer")
        guard let fingerprint = Digest256(hexadecimal: try text("fingerprint")) else {
            throw Self.bad("its fingerprint is no digest")
        }
        self.fingerprint = fingerprint
        order = try choice("order")
        pairing = try choice("pairing")
        switch try text("rope") {
        case "none": base = nil
        case "applied":
            guard let position = Int32(try text("position_base")), (0...1 << 24).contains(position) else {
                throw Self.bad("its position_base is no position")
            }
            base = position
        default: throw Self.bad("its rope is neither applied nor none")
        }
        guard let tokens = try? JSONDecoder().decode([TokenID].self, from: Data(try text("tokens").utf8)),
            !tokens.isEmpty
        else { throw Self.bad("its tokens are no list of ids") }
        self.tokens = tokens
    }

    /// The keys before RoPE and the values of each layer, (token, KV head, dimension), as this model has them.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for another shape than the model's.
    func layers(
        _ layout: KVLayout, rotary: RotaryTable
    ) throws(TesseraError) -> [(keys: [Float], values: [Float])] {
        guard header.tensors.count == 2 * layout.layers else {
            throw Self.bad("it has \(header.tensors.count) tensors, and the model \(layout.layers) layers")
        }
        let order = rotary.pairing.order(
            from: pairing, pairs: rotary.frequencies.count, headDimension: layout.headDimension)
        let angles = base.map { rotary.inverseAngles(at: $0..<$0 + Int32(tokens.count)) }
        var layers: [(keys: [Float], values: [Float])] = []
        for layer in 0..<layout.layers {
            var keys = try rows("layers.\(layer).keys", layout, order)
            angles?.turn(&keys, heads: layout.heads, headDimension: layout.headDimension)
            layers.append((keys, try rows("layers.\(layer).values", layout, nil)))
        }
        return layers
    }

    /// An array in the store's order.
    private func rows(_ name: String, _ layout: KVLayout, _ moved: [Int]?) throws(TesseraError) -> [Float] {
        let format = KVFileFormat(order: order, pairing: pairing)
        guard let tensor = header.tensors[name] else { throw Self.bad("it lacks \(name)") }
        guard tensor.shape == format.shape(tokens: tokens.count, layout) else {
            throw Self.bad("\(name) has the extents \(tensor.shape)")
        }
        let first = data.startIndex + start
        let bytes = data[first + tensor.range.lowerBound..<first + tensor.range.upperBound]
        guard let element = KVFileFormat.Element(rawValue: tensor.type) else {
            throw Self.bad("\(name) has the type \(tensor.type)")
        }
        let numbers = element.numbers(in: bytes)
        guard moved != nil || order == .head else { return numbers }
        var rows = numbers
        let dimension = layout.headDimension
        for token in 0..<tokens.count {
            for head in 0..<layout.heads {
                let to = (token * layout.heads + head) * dimension
                let from = order == .head ? (head * tokens.count + token) * dimension : to
                for place in 0..<dimension { rows[to + place] = numbers[from + (moved?[place] ?? place)] }
            }
        }
        return rows
    }

    private static func bad(_ why: String) -> TesseraError {
        TesseraError(.invalidInput, "the KV is not taken in: \(why)")
    }
}

extension KVFileFormat.Element {
    /// Numbers of this type, little-endian, as floats.
    func numbers(in bytes: Data) -> [Float] {
        bytes.withUnsafeBytes { raw in
            (0..<raw.count / byteCount).map { index in
                switch self {
                case .f32:
                    Float(
                        bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
                case .bf16:
                    Float(
                        bitPattern: UInt32(
                            UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))) << 16)
                case .f16:
                    HalfFormat.float(
                        UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                }
            }
        }
    }
}
