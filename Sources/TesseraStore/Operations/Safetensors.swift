// SPDX-License-Identifier: Apache-2.0

package import Foundation
package import TesseraKV

/// A file in the safetensors format: the length of a header (64 bits), the header in JSON, then the tensors' bytes.
///
/// The format: https://github.com/huggingface/safetensors, README, *Format*.
package struct Safetensors {
    /// One tensor: its element type and extents, and where its bytes lie behind the header.
    package struct Tensor: Equatable {
        /// The element's type, in the format's words.
        package var type: String
        /// The extents, the last index running fastest.
        package var shape: [Int]
        /// Its bytes, counted from behind the header.
        package var range: Range<Int>

        /// Makes a tensor of its parts.
        package init(type: String, shape: [Int], range: Range<Int>) {
            (self.type, self.shape, self.range) = (type, shape, range)
        }

        /// Bytes of an element; nil for a type that isn't one of ours.
        package static func size(of type: String) -> Int? {
            switch type {
            case "F32": 4
            case "F16", "BF16": 2
            case "U8": 1
            default: nil
            }
        }
    }

    /// What is said of the file as a whole.
    package var metadata: [String: String]
    /// The tensors by their names.
    package var tensors: [String: Tensor]

    private static let longestHeader = 100 << 20

    /// A file without tensors yet.
    package init(metadata: [String: String]) {
        (self.metadata, tensors) = (metadata, [:])
    }

    /// The header as it stands at the beginning of a file, its length included.
    ///
    /// - Parameter alignment: What the tensors' first byte is a multiple of; itself one of 8.
    package func header(alignment: Int = 8) throws -> Data {
        var object: [String: Any] = ["__metadata__": metadata]
        for (name, tensor) in tensors {
            object[name] = [
                "dtype": tensor.type, "shape": tensor.shape,
                "data_offsets": [tensor.range.lowerBound, tensor.range.upperBound],
            ]
        }
        var text = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        text.append(contentsOf: [UInt8](repeating: UInt8(ascii: " "), count: -(8 + text.count) & (alignment - 1)))
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text
    }

    /// Reads a file's header and checks it against the file: every tensor lies within it, they follow each other without
    /// gap or overlap, and each has as many bytes as its extents say.
    ///
    /// - Returns: The header, and where the tensors begin.
    package static func read(_ file: Data) throws(TesseraError) -> (header: Safetensors, start: Int) {
        guard file.count >= 8 else { throw bad("it is shorter than any header") }
        let length = file.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard length <= longestHeader, length <= UInt64(file.count - 8) else {
            throw bad("its header is longer than it")
        }
        let start = 8 + Int(length)
        let text = file[file.startIndex + 8..<file.startIndex + start]
        guard let object = try? JSONSerialization.jsonObject(with: text) as? [String: Any] else {
            throw bad("its header is no JSON object")
        }
        guard let metadata = (object["__metadata__"] ?? [String: String]()) as? [String: String] else {
            throw bad("its metadata are no texts")
        }
        var header = Safetensors(metadata: metadata)
        for (name, value) in object where name != "__metadata__" {
            header.tensors[name] = try tensor(name, value, within: file.count - start)
        }
        var end = 0
        for tensor in header.tensors.values.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            guard tensor.range.lowerBound == end else { throw bad("its tensors don't follow each other") }
            end = tensor.range.upperBound
        }
        guard end == file.count - start else { throw bad("there are bytes behind its tensors") }
        return (header, start)
    }

    private static func tensor(_ name: String, _ value: Any, within byteCount: Int) throws(TesseraError) -> Tensor {
        guard let value = value as? [String: Any], let type = value["dtype"] as? String,
            let shape = value["shape"] as? [Int], let offsets = value["data_offsets"] as? [Int], offsets.count == 2
        else { throw bad("the tensor \(name) lacks its type, extents or place") }
        guard let size = Tensor.size(of: type) else { throw bad("the tensor \(name) has type \(type)") }
        guard offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= byteCount else {
            throw bad("the tensor \(name) lies beyond the file")
        }
        var count = size
        for extent in shape {
            let (product, overflows) = count.multipliedReportingOverflow(by: extent)
            guard extent > 0, !overflows else { throw bad("the tensor \(name) has impossible extents") }
            count = product
        }
        guard count == offsets[1] - offsets[0] else {
            throw bad("the tensor \(name) has not as many bytes as it should")
        }
        return Tensor(type: type, shape: shape, range: offsets[0]..<offsets[1])
    }

    static func bad(_ why: String) -> TesseraError {
        TesseraError(.corrupt, "it is no chunk in safetensors: \(why)")
    }
}
