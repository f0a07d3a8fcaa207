// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct FormatTests {
    private let key = Sample.record(1).key
    private let header = RecordHeader(
        of: Sample.record(1, namespace: "tenant"), place: RecordPlace(segment: 7, offset: 8192), created: 123)

    /// Decodes bytes from a block of exactly their size, so that a sanitizer sees any step beyond them.
    private func decode(_ bytes: [UInt8], for key: ChunkKey? = nil) throws(TesseraError) -> RecordHeader {
        try bytes.withBytes { (bytes) throws(TesseraError) in try RecordHeader(bytes, for: key ?? self.key) }
    }

    @Test func `a header decodes to what was encoded`() throws {
        var numbers = SplitMix64(seed: 1)
        for _ in 0..<500 {
            let layout = KVLayout(
                layers: .random(in: 1...40, using: &numbers), heads: .random(in: 1...16, using: &numbers),
                headDimension: .random(in: 1...256, using: &numbers))
            let tokens = (0..<Int.random(in: 1...600, using: &numbers)).map { _ in
                TokenID.random(in: .min ... .max, using: &numbers)
            }
            let chunk = ChunkRecord(
                kind: RecordKind.allCases.randomElement(using: &numbers) ?? .chunk, fingerprint: Sample.fingerprint,
                namespace: String(repeating: "né", count: .random(in: 0...300, using: &numbers)), tokens: tokens,
                layout: layout, codec: "fp16",
                layers: (0..<layout.layers).map { _ in [UInt8](repeating: 1, count: .random(in: 1...9, using: &numbers))
                })
            let place = RecordPlace(segment: numbers.next(), offset: .random(in: 0...(1 << 30), using: &numbers) * 4096)
            let header = RecordHeader(of: chunk, place: place, created: .random(in: .min ... .max, using: &numbers))
            #expect(try decode(header.encoded(for: chunk.key), for: chunk.key) == header)
        }
    }

    @Test func `whose a header is can be told without decoding it`() {
        let bytes = header.encoded(for: key)
        bytes.withUnsafeBytes { bytes in
            #expect(RecordHeader.isOf("tenant", peeking: bytes))
            for other in ["", "tenan", "tenant2", "tenans", "default"] {
                #expect(!RecordHeader.isOf(other, peeking: bytes), "\(other)")
            }
            for count in 0..<72 {
                #expect(!RecordHeader.isOf("tenant", peeking: UnsafeRawBufferPointer(rebasing: bytes[..<count])))
            }
        }
    }

    @Test func `the bytes of a header are those of format 2`() throws {
        let chunk = ChunkRecord(
            kind: .prefix, fingerprint: Digest256(of: [9]), namespace: "n", tokens: [5, -1],
            layout: .init(
                layers: 1, heads: 2, headDimension: 3), codec: "fp16", layers: [[1, 2, 3]])
        let header = RecordHeader(of: chunk, place: RecordPlace(segment: 0x0102, offset: 0x5000), created: 0x0304)
        let hex = header.encoded(for: chunk.key).map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined()
        #expect(
            hex
                == "5453534b030001010201000000000000005000000000000004030000000000002b4c342f5433ebe591a1da77e013d1b7247556"
                + "2d48578dca8b84bac6651c3cb901006e0400667031360100000002000000030000000200000005000000ffffffff03000000"
                + "3b73ae32769bceeb87e501fd297f24b3")
    }

    @Test func `a header of another version or with fields at odds is refused`() throws {
        let variant = Sample.variant(1, behind: [2])
        let header = RecordHeader(of: variant, place: RecordPlace(segment: 7, offset: 0), created: 123)
        let bytes = header.encoded(for: variant.key)
        #expect(Array(bytes[4..<8]) == [3, 0, 0, 2])
        #expect(try decode(bytes, for: variant.key) == header)
        let seed = variant.key.digest.bytes.withUnsafeBytes { checksum($0) }
        func code(_ change: (inout [UInt8]) -> Void) -> TesseraError.Code? {
            var body = Array(bytes.dropLast(8))
            change(&body)
            return TesseraStoreTests.code { _ = try decode(ByteWriter(body).sealed(seed: seed), for: variant.key) }
        }
        #expect(code { $0[4] = 2 } == .unsupported)
        #expect(code { $0[4] = 4 } == .corrupt, "variants are whole")
        #expect(code { $0[4] = 5 } == .unsupported)
        #expect(code { $0[6] = 1 } == .corrupt)
        #expect(code { $0[7] = 1 } == .corrupt)
        #expect(code { $0[7] = 3 } == .corrupt)
        #expect(code { $0[16] = 1 } == .corrupt, "records begin with a block")
        #expect(code { $0[23] = 0x80 } == .corrupt)
    }

    @Test func `layers follow each other, and large ones have blocks of their own`() {
        #expect(RecordPlace.layers([100, 200, 50]) == [0..<100, 100..<300, 300..<350])
        let large = 128 << 10
        #expect(
            RecordPlace.layers([large, large + 1, 10, 20, large, 5])
                == [
                    0..<large, large..<2 * large + 1, 2 * large + 4096..<2 * large + 4106,
                    2 * large + 4106..<2 * large + 4126, 2 * large + 8192..<3 * large + 8192,
                    3 * large + 8192..<3 * large + 8197,
                ])
    }

    @Test func `a header with any byte changed or missing is damage`() throws {
        let bytes = header.encoded(for: key)
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << bit
                #expect(code { _ = try decode(changed) } == .corrupt)
            }
            #expect(code { _ = try decode(Array(bytes.prefix(index))) } == .corrupt)
        }
        #expect(code { _ = try decode(bytes + [0]) } == .corrupt)
    }

    @Test func `a header under another key is damage`() {
        #expect(code { _ = try decode(header.encoded(for: key), for: Sample.record(2).key) } == .corrupt)
    }

    /// 120,000 headers with a few bytes changed, cut or added, and the checksum made right again: each is either
    /// refused or says the same when it is written again.
    @Test func `damage under a valid checksum is refused or harmless`() throws {
        var numbers = SplitMix64(seed: 2)
        let seed = key.digest.bytes.withUnsafeBytes { checksum($0) }
        let body = Array(header.encoded(for: key).dropLast(8))
        var refused = 0
        for _ in 0..<120_000 {
            var changed = body
            for _ in 0..<Int.random(in: 1...4, using: &numbers) { mutate(&changed, &numbers) }
            var sealed = ByteWriter()
            for byte in changed { sealed.add(byte) }
            let bytes = sealed.sealed(seed: seed)
            do {
                #expect(try decode(bytes).encoded(for: key) == bytes)
            } catch {
                #expect([.corrupt, .unsupported].contains(error.code))
                refused += 1
            }
        }
        #expect(refused > 10_000)
    }

    @Test func `counts beyond the record are refused before memory is taken for them`() throws {
        for name in ["journal", "fingerprint", "variant"] {
            var writer = ByteWriter()
            if name == "journal" { writer.add(UInt64(1)) }
            writer.add(UInt32.max)
            // A variant's record is sealed with its keys.
            let seed = name == "variant" ? (key.digest.bytes + key.digest.bytes).withUnsafeBytes { checksum($0) } : 0
            let bytes = writer.sealed(seed: seed)
            let refusal = code {
                try bytes.withBytes { (bytes) throws(TesseraError) in
                    if name == "journal" {
                        _ = try JournalEntry(bytes)
                    } else if name == "variant" {
                        _ = try VariantRecord(bytes, for: key, of: key)
                    } else {
                        _ = try FingerprintRecord(bytes, digest: Sample.fingerprint)
                    }
                }
            }
            #expect(refusal == .corrupt)
        }
    }

    @Test func `the small records decode to what was encoded and refuse any change`() throws {
        var state = StoreState(identity: 5)
        (state.nextSegment, state.sequence, state.nonce, state.diskCap) = (9, 8, 7, 6)
        let segment = Segment(number: 3, byteCount: 8192, liveRecords: 2, liveBytes: 60)
        let entry = JournalEntry(nonce: 4, keys: [key, Sample.record(2).key])
        func check(_ bytes: [UInt8], _ decodes: (UnsafeRawBufferPointer) throws(TesseraError) -> Bool) throws {
            #expect(try bytes.withBytes(decodes))
            for index in bytes.indices {
                var changed = bytes
                changed[index] ^= 0x10
                #expect(code { _ = try changed.withBytes(decodes) } == .corrupt)
                #expect(code { _ = try Array(bytes.prefix(index)).withBytes(decodes) } == .corrupt)
            }
        }
        try check(state.encoded) { (bytes) throws(TesseraError) in try StoreState(bytes) == state }
        try check(segment.encoded) { (bytes) throws(TesseraError) in try Segment(bytes, number: 3) == segment }
        let hole = Hole(place: RecordPlace(segment: 3, offset: 4096), extent: 4097)
        #expect(hole.byteCount == 8192)
        try check(hole.encoded) { (bytes) throws(TesseraError) in try Hole(bytes, place: hole.place) == hole }
        let variant = VariantRecord(behind: [key, Sample.record(2).key], statistics: [1, 2, 3])
        try check(variant.encoded(for: key, of: key)) { (bytes) throws(TesseraError) in
            try VariantRecord(bytes, for: key, of: key) == variant
        }
        try check(Asset.encoded([1, 2, 3], name: "a")) { (bytes) throws(TesseraError) in
            try Asset.decoded(bytes, name: "a") == [1, 2, 3]
        }
        try check(entry.encoded) { (bytes) throws(TesseraError) in try JournalEntry(bytes) == entry }
    }

    private func mutate(_ bytes: inout [UInt8], _ numbers: inout SplitMix64) {
        guard !bytes.isEmpty else { return bytes.append(1) }
        let index = Int.random(in: bytes.indices, using: &numbers)
        switch Int.random(in: 0..<5, using: &numbers) {
        case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
        case 1: bytes[index] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &numbers) ?? 0
        case 2: bytes.removeSubrange(index..<min(bytes.count, index + .random(in: 1...8, using: &numbers)))
        case 3: bytes.insert(UInt8.random(in: .min ... .max, using: &numbers), at: index)
        default: bytes.swapAt(index, Int.random(in: bytes.indices, using: &numbers))
        }
    }
}
