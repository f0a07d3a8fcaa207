// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import Testing

@testable import TesseraRuntime

struct GGUFFileTests {
    @Test func `what the writer wrote is read back`() throws {
        let fixture = try GGUFFixture()
        let file = try GGUFFile(path: fixture.path)
        #expect(file.metadata == GGUFFixture.metadata)
        #expect(file.tensors.map(\.name) == GGUFFixture.tensors.map(\.name))
        for written in GGUFFixture.tensors {
            let tensor = try #require(file.tensor(written.name))
            #expect(tensor.type == written.type)
            #expect(tensor.shape == written.shape)
            #expect(tensor.byteRange.lowerBound % 32 == 0)
            #expect(try file.withBytes(of: tensor) { Array($0) } == written.bytes)
        }
        #expect(file.tensor("none") == nil)
    }

    @Test func `metadata is read by type, and a wrong type is named`() throws {
        let fixture = try GGUFFixture()
        let file = try GGUFFile(path: fixture.path)
        #expect(try file.string("general.architecture") == "llama")
        #expect(try file.int("a.uint8") == 200)
        #expect(try file.int("a.int64") == .min)
        #expect(try file.float("a.float32") == 0.1)
        #expect(try file.float("a.float64") == 0.1)
        #expect(try file.bool("a.bool"))
        #expect(try file.strings("a.texts") == ["", "é", "日本"])
        #expect(try file.ints("a.numbers") == [-1, 7])
        #expect(try file.floats("a.floats") == [-0.5, 2])
        #expect(try file.stringIfPresent("none") == nil)
        #expect(try file.intsIfPresent("a.empty") == [])
        #expect(
            try complaint { () throws(TesseraError) in _ = try file.int("none") }.contains(
                "lacks the metadata value none"))
        #expect(try complaint { () throws(TesseraError) in _ = try file.int("a.bool") }.contains("a.bool is bool"))
        #expect(try complaint { () throws(TesseraError) in _ = try file.int("a.uint64") }.contains("a.uint64"))
        #expect(
            try complaint { () throws(TesseraError) in _ = try file.ints("a.texts") }.contains("not all whole numbers"))
    }

    @Test func `an alignment of the file's own is honoured`() throws {
        let fixture = try GGUFFixture()
        try fixture.write(metadata: ["general.alignment": .uint32(4096)])
        let file = try GGUFFile(path: fixture.path)
        for (tensor, written) in zip(file.tensors, GGUFFixture.tensors) {
            #expect(tensor.byteRange.lowerBound % 4096 == 0)
            #expect(try file.withBytes(of: tensor) { Array($0) } == written.bytes)
        }
    }

    @Test func `released bytes can be lent again`() throws {
        let fixture = try GGUFFixture()
        let large = [UInt8](repeating: 7, count: 1 << 16)
        try fixture.write(tensors: [("large", .f32, [1 << 14], large)])
        let file = try GGUFFile(path: fixture.path)
        let tensor = try #require(file.tensor("large"))
        _ = try file.withBytes(of: tensor) { $0.reduce(0) { $0 &+ Int($1) } }
        file.release(tensor)
        #expect(try file.withBytes(of: tensor) { Array($0) } == large)
    }

    @Test func `the weights' digest is of names, types, shapes and bytes, not of their order or of metadata`() throws {
        let fixture = try GGUFFixture()
        func digest(
            _ change: (inout [(name: String, type: GGUFTensorType, shape: [Int], bytes: [UInt8])]) -> Void = { _ in }
        ) throws -> Digest256 {
            var tensors = GGUFFixture.tensors
            change(&tensors)
            try fixture.write(tensors: tensors)
            return try GGUFFile(path: fixture.path).weightsDigest()
        }
        let original = try digest()
        #expect(try digest { $0.reverse() } == original)
        try fixture.write(metadata: [:])
        #expect(try GGUFFile(path: fixture.path).weightsDigest() == original)
        #expect(try digest { $0[0].name = "other" } != original)
        #expect(try digest { $0[1].type = .bf16 } != original)
        #expect(try digest { $0[1].shape = [2, 3] } != original)
        #expect(try digest { $0[3].bytes[135] ^= 1 } != original)
        #expect(try digest { $0.removeLast() } != original)
    }

    @Test func `a tensor larger than one piece is written and digested piece by piece`() throws {
        let fixture = try GGUFFixture()
        let count = (20 << 20) / 34 * 32
        let tensor = GGUFWriter.Tensor(name: "large", type: .q8_0, shape: [count]) { piece, offset in
            for index in 0..<piece.count {
                piece[index] = UInt8(truncatingIfNeeded: (offset + index) &* 2_654_435_761 >> 7)
            }
        }
        try GGUFWriter.write(to: fixture.path, metadata: [:], tensors: [tensor])
        let file = try GGUFFile(path: fixture.path)
        let read = try #require(file.tensor("large"))
        #expect(read.byteRange.count == count / 32 * 34)
        let wrong = try file.withBytes(of: read) { bytes in
            bytes.indices.count { bytes[$0] != UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        }
        #expect(wrong == 0)
    }

    @Test func `a failed write leaves the old file and nothing else`() throws {
        let fixture = try GGUFFixture()
        let before = fixture.bytes
        let tensor = GGUFWriter.Tensor(name: "bad", type: .f32, shape: [4]) { _, _ throws(TesseraError) in
            throw TesseraError(.cancelled, "stopped")
        }
        #expect(throws: TesseraError(.cancelled, "stopped")) {
            try GGUFWriter.write(to: fixture.path, metadata: [:], tensors: [tensor])
        }
        #expect(fixture.bytes == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path) == ["small.gguf"])
    }

    private func complaint(_ body: () throws(TesseraError) -> Void) throws -> String {
        do throws(TesseraError) {
            try body()
            return ""
        } catch {
            return error.message
        }
    }
}
