// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization

/// Memory for the bytes of layers: whole blocks, aligned to them, given back to its pool when the last reader goes.
///
/// `@unchecked Sendable` because a range of it is written once, by one reader, before anybody else is shown that range.
final class LayerMemory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    private let pool: MemoryPool

    fileprivate init(_ bytes: UnsafeMutableRawBufferPointer, _ pool: MemoryPool) {
        (self.bytes, self.pool) = (bytes, pool)
    }

    deinit { pool.takeBack(bytes) }
}

/// Keeps memory that was given back, up to a limit, and hands it out again.
///
/// Fresh pages cost as much as reading a layer into them does; pages that were just used are in the processor's cache.
final class MemoryPool: Sendable {
    /// `@unchecked Sendable` because memory that is idle belongs to the pool alone.
    private struct State: @unchecked Sendable {
        var idle: [Int: [UnsafeMutableRawBufferPointer]] = [:]
        var idleBytes = 0
        var limit: Int
    }

    private let state: Mutex<State>

    init(limit: Int) {
        state = Mutex(State(limit: limit))
    }

    deinit {
        state.withLock { state in
            for buffers in state.idle.values { buffers.forEach { $0.deallocate() } }
        }
    }

    /// Memory of at least so many bytes, of whatever content.
    func take(_ byteCount: Int) -> LayerMemory {
        let size = Self.sizeClass(of: byteCount)
        let used = state.withLock { state -> UnsafeMutableRawBufferPointer? in
            guard let buffer = state.idle[size]?.popLast() else { return nil }
            state.idleBytes -= size
            return buffer
        }
        return LayerMemory(
            used ?? .allocate(byteCount: size, alignment: RecordPlace.alignment), self)
    }

    fileprivate func takeBack(_ buffer: UnsafeMutableRawBufferPointer) {
        let isKept = state.withLock { state in
            guard state.idleBytes + buffer.count <= state.limit else { return false }
            state.idle[buffer.count, default: []].append(buffer)
            state.idleBytes += buffer.count
            return true
        }
        if !isKept { buffer.deallocate() }
    }

    /// Few sizes, so that memory fits again: eighths of powers of two, at least a block.
    static func sizeClass(of byteCount: Int) -> Int {
        let blocks = max(1, (byteCount + RecordPlace.alignment - 1) / RecordPlace.alignment)
        let step = max(1, (1 << (Int.bitWidth - blocks.leadingZeroBitCount - 1)) / 8)
        return (blocks + step - 1) / step * step * RecordPlace.alignment
    }
}
