// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV

/// Remembers the ids of short pieces of text: most words of a text have been there before.
///
/// A direct-mapped table of fixed size; a piece takes the place of another that falls on the same slot.
struct PieceCache: Sendable {
    /// A piece of at most 31 bytes, padded with zeros, its length in the last byte.
    struct Key: Sendable {
        fileprivate var words = SIMD4<UInt64>()

        /// Nil for pieces that are too long to be remembered.
        init?(_ piece: UnsafeBufferPointer<UInt8>) {
            guard piece.count < 32 else { return nil }
            withUnsafeMutableBytes(of: &words) { bytes in
                bytes.copyMemory(from: UnsafeRawBufferPointer(piece))
                bytes[31] = UInt8(piece.count)
            }
        }

        fileprivate var slot: Int {
            var hash: UInt64 = 0
            for index in 0..<4 { hash = (hash ^ words[index]) &* 0x9E37_79B9_7F4A_7C15 ^ hash >> 29 }
            return Int(hash >> 40) & (PieceCache.slots - 1)
        }
    }

    private static let slots = 1 << 13
    private static let mostIDs = 8

    private var keys = [SIMD4<UInt64>](repeating: .zero, count: slots)
    private var ids = [SIMD8<TokenID>](repeating: .zero, count: slots)
    private var counts = [UInt8](repeating: 0, count: slots)

    /// Appends the ids of a remembered piece; false where it isn't.
    func append(_ key: Key, to result: inout [TokenID]) -> Bool {
        let slot = key.slot
        guard keys[slot] == key.words else { return false }
        for index in 0..<Int(counts[slot]) { result.append(ids[slot][index]) }
        return true
    }

    /// Remembers the ids of a piece, unless they are too many.
    mutating func store(_ key: Key, _ new: ArraySlice<TokenID>) {
        guard new.count <= Self.mostIDs else { return }
        let slot = key.slot
        keys[slot] = key.words
        counts[slot] = UInt8(new.count)
        for (index, id) in new.enumerated() { ids[slot][index] = id }
    }
}

/// What one encoding needs besides the vocabulary.
struct EncodingWorkspace: Sendable {
    var cache = PieceCache()
    var merging = MergeScratch()
    var composition = CanonicalComposition()
}

/// Workspaces that wait for the next encoding, so that each thread has its own and what one has learnt stays.
final class WorkspacePool: Sendable {
    private static let most = 16
    private static let mostScratchBytes = 1 << 20

    private let idle = Mutex<[EncodingWorkspace]>([])

    func with<R>(_ body: (inout EncodingWorkspace) -> R) -> R {
        var workspace = idle.withLock { $0.popLast() } ?? EncodingWorkspace()
        let result = body(&workspace)
        if workspace.merging.capacity > Self.mostScratchBytes { workspace.merging = MergeScratch() }
        idle.withLock { [workspace] in
            if $0.count < Self.most { $0.append(workspace) }
        }
        return result
    }
}
