// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// How a store is opened.
package struct StoreOptions: Sendable {
    /// The most bytes that the store's folder may take on disk. The store remembers it: nil keeps what it was opened
    /// with last, 0 lifts it.
    package var diskCap: Int?
    /// The most bytes of memory that the store takes for records that it keeps at hand and for reading and writing.
    package var ramCap: Int
    /// Bytes of the disk that are left free for others; a put that would go below is refused.
    package var freeDiskFloor: Int
    /// What the store is encrypted with; nil for one that isn't.
    package var encryptionKey: EncryptionKey?
    /// Who stays when the store is full.
    package var eviction: EvictionOptions

    /// Makes options; by default the remembered cap, a quarter of a gigabyte of memory and half a gigabyte of disk left free.
    package init(
        diskCap: Int? = nil, ramCap: Int = defaultRAMCap, freeDiskFloor: Int = 512 << 20,
        encryptionKey: EncryptionKey? = nil, eviction: EvictionOptions = EvictionOptions()
    ) {
        (self.diskCap, self.ramCap, self.freeDiskFloor) = (diskCap, ramCap, freeDiskFloor)
        self.encryptionKey = encryptionKey
        self.eviction = eviction
    }

    /// 256 MiB.
    package static let defaultRAMCap = 256 << 20
    /// The least that a store works with.
    package static let leastRAMCap = 32 << 20
}

/// How the memory of a store is shared out.
struct MemoryBudget {
    /// Records of the hot tier.
    let hot: Int
    /// Memory that waits for the next read.
    let idle: Int
    /// RocksDB's cache of blocks.
    let blocks: Int

    /// What RocksDB holds beside its cache, being written and being made a table, and SQLite's own cache.
    private static let databases = 14 << 20

    init(cap: Int) throws(TesseraError) {
        guard cap >= StoreOptions.leastRAMCap else {
            throw TesseraError(
                .invalidInput,
                "a store needs some memory to read and write: a RAM cap is at least \(megabytes(StoreOptions.leastRAMCap))"
            )
        }
        blocks = min(cap / 8, 64 << 20)
        idle = min(cap / 8, 64 << 20)
        hot = cap - blocks - idle - Self.databases
    }
}
