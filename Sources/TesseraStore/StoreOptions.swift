// SPDX-License-Identifier: Apache-2.0

/// How a store is opened.
package struct StoreOptions: Sendable {
    /// The most bytes that the store's folder may take on disk. The store remembers it: nil keeps what it was opened
    /// with last, 0 lifts it.
    package var diskCap: Int?
    /// Bytes of the disk that are left free for others; a put that would go below is refused.
    package var freeDiskFloor: Int

    /// Makes options; by default the remembered cap and half a gigabyte left free.
    package init(diskCap: Int? = nil, freeDiskFloor: Int = 512 << 20) {
        (self.diskCap, self.freeDiskFloor) = (diskCap, freeDiskFloor)
    }
}
