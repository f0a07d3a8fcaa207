// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV

@testable import TesseraRuntime

/// A small GGUF file of known content, in a folder of its own that goes with this object.
final class GGUFFixture {
    let folder: URL
    var path: String { folder.appending(path: "small.gguf").path }

    static let metadata: [String: GGUFValue] = [
        "general.architecture": .string("llama"),
        "a.uint8": .uint8(200), "a.int8": .int8(-100), "a.uint16": .uint16(60_000), "a.int16": .int16(-30_000),
        "a.uint32": .uint32(4_000_000_000), "a.int32": .int32(-2_000_000_000), "a.uint64": .uint64(.max),
        "a.int64": .int64(.min), "a.float32": .float32(0.1), "a.float64": .float64(0.1), "a.bool": .bool(true),
        "a.texts": .array([.string(""), .string("é"), .string("日本")]),
        "a.numbers": .array([.int32(-1), .int32(7)]),
        "a.floats": .array([.float32(-0.5), .float32(2)]),
        "a.nested": .array([.array([.uint8(1)]), .array([])]),
        "a.empty": .array([]),
    ]

    static let tensors: [(name: String, type: GGUFTensorType, shape: [Int], bytes: [UInt8])] = [
        ("single", .f32, [5], (0..<20).map { UInt8($0) }),
        ("half", .f16, [3, 2], (0..<12).map { UInt8(100 + $0) }),
        ("brain", .bf16, [2, 2, 2, 2], (0..<32).map { UInt8(200 - $0) }),
        ("blocks", .q8_0, [64, 2], (0..<136).map { UInt8($0) }),
    ]

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "gguf-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try write()
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    func write(
        metadata: [String: GGUFValue] = GGUFFixture.metadata,
        tensors: [(name: String, type: GGUFTensorType, shape: [Int], bytes: [UInt8])] = GGUFFixture.tensors
    ) throws {
        try GGUFWriter.write(
            to: path, metadata: metadata,
            tensors: tensors.map { GGUFWriter.Tensor(name: $0.name, type: $0.type, shape: $0.shape, bytes: $0.bytes) })
    }

    /// The file's bytes; setting them replaces the file.
    var bytes: [UInt8] {
        get { (try? Data(contentsOf: URL(filePath: path))).map { [UInt8]($0) } ?? [] }
        set { _ = FileManager.default.createFile(atPath: path, contents: Data(newValue)) }
    }

    /// What opening the file in its present state ends with: nil when it is valid. Every tensor of a valid file is read.
    func complaint() -> TesseraError? {
        do throws(TesseraError) {
            let file = try GGUFFile(path: path)
            _ = try file.weightsDigest()
            return nil
        } catch {
            return error
        }
    }
}
