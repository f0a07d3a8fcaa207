// SPDX-License-Identifier: Apache-2.0

internal import CZstd
internal import Synchronization

/// Decompresses planes into memory of its own, which is used again and again and so stays in the cache.
///
/// `@unchecked Sendable` because ``withOne(_:)`` lends each to one caller at a time.
final class PlaneUnpacker: @unchecked Sendable {
    /// Which of the two places a plane is decompressed to.
    enum Plane: Int { case low, high }

    private static let idle = Mutex<[PlaneUnpacker]>([])

    private let context: OpaquePointer
    private var planes: [UnsafeMutableRawBufferPointer] = []

    private init() throws(TesseraError) {
        guard let context = ZSTD_createDCtx() else { throw .noMemoryToPack }
        self.context = context
        planes = [.allocate(byteCount: 0, alignment: 64), .allocate(byteCount: 0, alignment: 64)]
    }

    deinit {
        ZSTD_freeDCtx(context)
        for plane in planes { plane.deallocate() }
    }

    /// Lends an unpacker: one that is idle, or a new one.
    static func withOne<R>(_ body: (PlaneUnpacker) throws(TesseraError) -> R) throws(TesseraError) -> R {
        let one: PlaneUnpacker
        if let waiting = idle.withLock({ $0.popLast() }) { one = waiting } else { one = try PlaneUnpacker() }
        defer { idle.withLock { $0.append(one) } }
        return try body(one)
    }

    /// The `size` bytes of a plane: where they are, if they were not compressed, or decompressed.
    ///
    /// - Returns: `nil` when the plane is damaged. Otherwise bytes that stay until the next call for the same place.
    func unpack(_ packed: UnsafeRawBufferPointer, to size: Int, as plane: Plane) -> UnsafeRawPointer? {
        if packed.count == size { return packed.baseAddress.map { UnsafeRawPointer($0) } }
        if planes[plane.rawValue].count < size {
            planes[plane.rawValue].deallocate()
            planes[plane.rawValue] = .allocate(byteCount: size, alignment: 64)
        }
        let room = planes[plane.rawValue]
        guard ZSTD_decompressDCtx(context, room.baseAddress, size, packed.baseAddress, packed.count) == size else {
            return nil
        }
        return UnsafeRawPointer(room.baseAddress)
    }
}
