// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraStore

/// The records that the stress program works with: all about each follows from its number.
enum StressRecord {
    static let count = 300
    static let fingerprint = Digest256(of: [1, 2, 3])
    private static let layout = KVLayout(layers: 3, heads: 2, headDimension: 4)

    /// Of very different sizes, so that records share segments, fill them and have blocks of their own; every fifth is a
    /// variant.
    static func record(_ number: Int) -> ChunkRecord {
        var numbers = SplitMix64(seed: UInt64(number))
        let size = [200, 3_000, 20_000, 60_000, 140_000][number % 5 == 4 ? number / 5 % 5 : number % 4]
        let layers = (0..<layout.layers).map { _ in bytes(size + number, &numbers) }
        guard number % 5 == 4 else {
            return ChunkRecord(
                kind: .chunk, fingerprint: fingerprint, namespace: "stress", tokens: tokens(number), layout: layout,
                codec: "fp16", layers: layers)
        }
        let behind = ChunkKey(fingerprint: fingerprint, namespace: "stress", chunk: tokens(number + 1))
        return ChunkRecord(
            behind: [behind], statistics: bytes(number, &numbers), fingerprint: fingerprint, namespace: "stress",
            tokens: tokens(number), layout: layout, codec: "fp16", layers: layers)
    }

    static func key(_ number: Int) -> ChunkKey { keys[number] }

    private static let keys = (0..<count).map { record($0).key }

    private static func tokens(_ number: Int) -> [TokenID] { (0..<8).map { TokenID(number * 8 + $0) } }

    private static func bytes(_ count: Int, _ numbers: inout SplitMix64) -> [UInt8] {
        let words = (0..<(count + 7) / 8).map { _ in numbers.next() }
        return words.withUnsafeBytes { Array($0.prefix(count)) }
    }
}

extension ChunkStore {
    /// Opens a store as the stress program uses it.
    static func stressed(_ path: String, cap: Int, isEncrypted: Bool) throws -> ChunkStore {
        try ChunkStore(
            directory: .init(fileURLWithPath: path),
            options: StoreOptions(
                diskCap: cap, ramCap: StoreOptions.leastRAMCap, freeDiskFloor: 0,
                encryptionKey: isEncrypted ? EncryptionKey([UInt8](repeating: 9, count: 32)) : nil))
    }
}
