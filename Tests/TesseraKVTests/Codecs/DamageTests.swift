// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

extension Codecs {
    /// Whatever the bytes are, a record is refused or gives finite numbers, and nothing beyond it is read: behind it
    /// lies a page that no one may read.
    @Suite struct damage {
        private static let tokens = 16
        private static let shape = Codecs.Shape(3, 7, 6)
        private static let subjects = Codecs.subjects(shape)

        private let buffer: KVBuffer
        private let angles: RotaryAngles

        init() throws {
            buffer = try KVBuffer(layout: Self.shape.layout, capacity: Self.tokens)
            angles = Self.shape.table(.halves).angles(at: 0..<Int32(Self.tokens))
        }

        @Test(arguments: subjects) func `a record that is cut short is refused`(subject: Codecs.Subject) throws {
            let record = try encoded(subject)
            let guarded = try GuardedBytes(capacity: record.count)
            for length in 0..<record.count {
                #expect(survives(Array(record.prefix(length)), subject, guarded) == false)
            }
        }

        @Test(arguments: subjects) func `flipped bits do no harm`(subject: Codecs.Subject) throws {
            let record = try encoded(subject)
            let guarded = try GuardedBytes(capacity: record.count)
            var generator = SplitMix64(seed: 21)
            for _ in 0..<8000 {
                var damaged = record
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    // Half of them in the first bytes, where the structure is.
                    let end = Bool.random(using: &generator) ? record.count : min(64, record.count)
                    let index = Int.random(in: 0..<end, using: &generator)
                    damaged[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                }
                _ = survives(damaged, subject, guarded)
            }
        }

        @Test(arguments: subjects) func `made-up bytes do no harm`(subject: Codecs.Subject) throws {
            let record = try encoded(subject)
            let guarded = try GuardedBytes(capacity: record.count)
            var generator = SplitMix64(seed: 22)
            let edges: [UInt32] = [0, 1, 2, 16, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]
            for round in 0..<2000 {
                var bytes = record
                // A header of edges before the true planes, or noise throughout.
                for offset in stride(from: 0, to: round % 2 == 0 ? 24 : record.count - 3, by: 4) {
                    let noise = UInt32(truncatingIfNeeded: generator.next())
                    let number = round % 2 == 0 ? edges[Int(noise % 8)] : noise
                    withUnsafeBytes(of: number) { bytes.replaceSubrange(offset..<offset + 4, with: $0) }
                }
                _ = survives(bytes, subject, guarded)
            }
        }

        private func encoded(_ subject: Codecs.Subject) throws -> [UInt8] {
            var generator = SplitMix64(seed: 20)
            let count = Self.tokens * Self.shape.layout.width
            let record = try subject.codec.encode(
                keys: generator.floats(count, scale: 3), values: generator.floats(count), layout: Self.shape.layout,
                hints: EncodingHints(layer: 1))
            // Those of zstd hold frames, or their decoder would not be tried.
            if let plain = subject.codec.unpackedCodec {
                #expect(record.count < plain.byteCount(tokens: Self.tokens, layout: Self.shape.layout))
            }
            return record
        }

        /// Whether a record is taken.
        private func survives(_ bytes: [UInt8], _ subject: Codecs.Subject, _ guarded: GuardedBytes) -> Bool {
            let record = guarded.holding(bytes)
            do {
                try subject.codec.place(record, tokens: Self.tokens, into: buffer, layer: 1, at: 0, angles: angles)
            } catch {
                // A version byte may be damaged into that of a newer build.
                let isNewer = subject.hasVersion && (bytes.first ?? 0) > 1
                #expect(error.code == (isNewer && bytes.count >= 16 ? .unsupported : .corrupt))
                return false
            }
            let placed = buffer.rows(0..<Self.tokens, of: 1)
            #expect(placed.keys.allSatisfy(\.isFinite) && placed.values.allSatisfy(\.isFinite))
            return true
        }
    }
}

/// Memory whose end is followed by a page that must not be touched.
private final class GuardedBytes {
    private let map: UnsafeMutableRawPointer
    private let size: Int
    private let page = 4096

    init(capacity: Int) throws {
        size = (capacity + page - 1) / page * page
        let map = mmap(nil, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        self.map = try #require(map != MAP_FAILED ? map : nil)
        try #require(mprotect(self.map + size, page, PROT_NONE) == 0)
    }

    deinit { munmap(map, size + page) }

    /// The bytes, up to the page.
    func holding(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let start = map + size - bytes.count
        bytes.withUnsafeBytes { start.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(map), byteCount: $0.count) }
        return UnsafeRawBufferPointer(start: start, count: bytes.count)
    }
}
