// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import Testing

@testable import TesseraRuntime

struct GGUFHostileFileTests {
    @Test func `what is no GGUF file is called so`() throws {
        let fixture = try GGUFFixture()
        #expect(throws: TesseraError.self) { try GGUFFile(path: fixture.path + ".none") }
        fixture.bytes = []
        #expect(fixture.complaint()?.message == "\(fixture.path) is not a GGUF file")
        fixture.bytes = Array("PK\u{3}\u{4} something else".utf8)
        #expect(fixture.complaint()?.message == "\(fixture.path) is not a GGUF file")
        try FileManager.default.removeItem(atPath: fixture.path)
        #expect(fixture.complaint()?.code == .notFound)
        try FileManager.default.createDirectory(atPath: fixture.path, withIntermediateDirectories: false)
        #expect(fixture.complaint()?.code == .invalidInput)
    }

    @Test(arguments: [(1, "version 1"), (4, "version 4"), (0x0300_0000, "big-endian")])
    func `another version is refused by its number`(version: Int, naming: String) throws {
        let fixture = try GGUFFixture()
        fixture.bytes.replaceSubrange(4..<8, with: littleEndian(UInt32(version)))
        #expect(fixture.complaint()?.code == .unsupported)
        #expect(fixture.complaint()?.message.contains(naming) == true)
    }

    @Test func `version 2 is read like version 3`() throws {
        let fixture = try GGUFFixture()
        fixture.bytes[4] = 2
        #expect(fixture.complaint() == nil)
    }

    @Test func `a file cut anywhere is an error`() throws {
        let fixture = try GGUFFixture()
        let whole = fixture.bytes
        for length in stride(from: 0, to: whole.count, by: 7) {
            fixture.bytes = Array(whole[..<length])
            #expect(fixture.complaint()?.code == .corrupt, "cut at \(length)")
        }
    }

    @Test func `a file cut within a tensor says where the tensor ends`() throws {
        let fixture = try GGUFFixture()
        fixture.bytes.removeLast()
        let size = fixture.bytes.count
        #expect(
            fixture.complaint()?.message.contains(
                "truncated: tensor blocks ends at \(size + 1), but the file has \(size) bytes") == true)
    }

    @Test func `a file cut while it is open is an error`() throws {
        let fixture = try GGUFFixture()
        let file = try GGUFFile(path: fixture.path)
        let handle = try FileHandle(forWritingTo: URL(filePath: fixture.path))
        try handle.truncate(atOffset: 100)
        try handle.close()
        let tensor = try #require(file.tensor("blocks"))
        let error = #expect(throws: TesseraError.self) { try file.withBytes(of: tensor) { Array($0) } }
        #expect(error?.message.contains("was cut from") == true)
        #expect(throws: TesseraError.self) { try file.weightsDigest() }
    }

    /// Any eight bytes may be a length: each place is set to numbers that make sums and products overflow.
    @Test func `lengths that lie are errors`() throws {
        let whole = try GGUFFixture().bytes
        let lies: [UInt64] = [.max, .max - 7, 1 << 63, (1 << 63) - 1, 1 << 62, 1 << 32, UInt64(whole.count)]
        for lie in lies {
            for place in 8..<headerEnd(whole) - 8 {
                var bytes = whole
                bytes.replaceSubrange(place..<place + 8, with: littleEndian(lie))
                let complaint = complaint(of: bytes)
                if place == 8 || place == 16 { #expect(complaint?.code == .corrupt) }
            }
        }
    }

    @Test func `flipped bytes end in an error or in a valid file`() throws {
        let whole = try GGUFFixture().bytes
        var random = SplitMix64(seed: 2026)
        var refused = 0
        for _ in 0..<4000 {
            var bytes = whole
            for _ in 0...random.next() % 4 {
                bytes[Int(random.next() % UInt64(whole.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            if complaint(of: bytes) != nil { refused += 1 }
        }
        #expect(refused > 1000)
    }

    @Test(arguments: Damage.all) func `contradictions are named`(_ damage: Damage) throws {
        let fixture = try GGUFFixture()
        let file = RawGGUF(values: damage.values, tensors: damage.tensors, dataBytes: 256)
        fixture.bytes = file.bytes
        let error = try #require(fixture.complaint())
        #expect(error.code == damage.code)
        #expect(error.message.contains(fixture.path))
        #expect(error.message.contains(damage.naming), "\(error.message)")
    }

    /// What reading a file of these bytes ends with: nil when it is valid, and then all tensors lie within it.
    private func complaint(of bytes: [UInt8]) -> TesseraError? {
        do throws(TesseraError) {
            try bytes.withUnsafeBufferPointer { bytes throws(TesseraError) in
                let header = try GGUFHeader(UnsafeRawBufferPointer(bytes), path: "small.gguf")
                #expect(header.tensors.allSatisfy { 0..<bytes.count ~= $0.byteRange.lowerBound })
                #expect(header.tensors.allSatisfy { 0...bytes.count ~= $0.byteRange.upperBound })
            }
            return nil
        } catch {
            return error
        }
    }

    /// Where the descriptions end: the first tensor's bytes are known.
    private func headerEnd(_ bytes: [UInt8]) -> Int {
        bytes.count - 136 - 32 - 32 - 32
    }
}

/// One way in which a file can contradict itself.
struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var values: [RawGGUF.Value] = []
    var tensors: [RawGGUF.Tensor] = []
    var code = TesseraError.Code.corrupt
    let naming: String

    private static let text = littleEndian(UInt64(1)) + [65]

    static let all: [Damage] = [
        Damage(
            testDescription: "a value twice", values: [.init("k", 0, [1]), .init("k", 0, [2])],
            naming: "k is there twice"),
        Damage(testDescription: "an unknown type of value", values: [.init("k", 13, [1])], naming: "unknown code 13"),
        Damage(testDescription: "a truth value of 2", values: [.init("k", 7, [2])], naming: "truth value of 2"),
        Damage(
            testDescription: "a text that is not UTF-8", values: [.init("k", 8, littleEndian(UInt64(1)) + [0xFF])],
            naming: "k is not UTF-8"),
        Damage(
            testDescription: "lists in lists without end",
            values: [
                .init(
                    "k", 9,
                    Array(repeating: littleEndian(UInt32(9)) + littleEndian(UInt64(1)), count: 20).flatMap { $0 } + text
                )
            ], naming: "nests lists deeper"),
        Damage(
            testDescription: "an alignment of 24", values: [.init("general.alignment", 4, littleEndian(UInt32(24)))],
            tensors: [.init()], naming: "power of two"),
        Damage(testDescription: "a tensor twice", tensors: [.init(), .init(offset: 64)], naming: "x is there twice"),
        Damage(testDescription: "no dimension", tensors: [.init(shape: [])], naming: "0 dimensions"),
        Damage(testDescription: "five dimensions", tensors: [.init(shape: [1, 1, 1, 1, 1])], naming: "5 dimensions"),
        Damage(testDescription: "an extent of 0", tensors: [.init(shape: [4, 0])], naming: "extent of 0"),
        Damage(
            testDescription: "a product beyond 64 bits", tensors: [.init(shape: [1 << 40, 1 << 40])],
            naming: "does not divide"),
        Damage(
            testDescription: "a product that wraps to a small one", tensors: [.init(shape: [1 << 32, 1 << 32, 1, 1])],
            naming: "does not divide"),
        Damage(
            testDescription: "an end beyond 64 bits",
            tensors: [.init(shape: [1 << 60], offset: (1 << 63) - 64)], naming: "truncated: tensor x"),
        Damage(testDescription: "half a block", tensors: [.init(shape: [48], type: 8)], naming: "Q8_0 blocks of 32"),
        Damage(
            testDescription: "an unknown tensor type", tensors: [.init(type: 99)], code: .unsupported,
            naming: "tensor x is of type 99"),
        Damage(testDescription: "an offset out of line", tensors: [.init(offset: 8)], naming: "not aligned to 32"),
        Damage(testDescription: "an offset beyond the file", tensors: [.init(offset: 4096)], naming: "truncated"),
        Damage(
            testDescription: "two tensors in one place",
            tensors: [.init(shape: [16]), .init(name: "y", shape: [4], offset: 32)], naming: "x and y overlap"),
    ]
}

/// A GGUF file built field by field, so that any of them can lie.
struct RawGGUF {
    struct Value: Sendable {
        let key: String
        let kind: UInt32
        let payload: [UInt8]

        init(_ key: String, _ kind: UInt32, _ payload: [UInt8]) {
            self.key = key
            self.kind = kind
            self.payload = payload
        }
    }

    struct Tensor: Sendable {
        var name = "x"
        var shape: [UInt64] = [4]
        var type: UInt32 = 0
        var offset: UInt64 = 0
    }

    var values: [Value]
    var tensors: [Tensor]
    var dataBytes: Int

    var bytes: [UInt8] {
        var bytes = Array("GGUF".utf8) + littleEndian(UInt32(3))
        bytes += littleEndian(UInt64(tensors.count)) + littleEndian(UInt64(values.count))
        for value in values {
            bytes += littleEndian(UInt64(value.key.utf8.count)) + value.key.utf8
            bytes += littleEndian(value.kind) + value.payload
        }
        for tensor in tensors {
            bytes += littleEndian(UInt64(tensor.name.utf8.count)) + tensor.name.utf8
            bytes += littleEndian(UInt32(tensor.shape.count)) + tensor.shape.flatMap { littleEndian($0) }
            bytes += littleEndian(tensor.type) + littleEndian(tensor.offset)
        }
        bytes += Array(repeating: 0, count: (32 - bytes.count % 32) % 32 + dataBytes)
        return bytes
    }
}

private func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}
