// SPDX-License-Identifier: Apache-2.0

package import Foundation
internal import Synchronization
package import TesseraKV

/// Keeps the KV of chunks and prefixes on disk: a header and one record per layer in RocksDB, and a catalog in SQLite.
///
/// The store knows no model. It takes layers as opaque bytes, gives them back bit for bit or not at all, and counts
/// whatever it finds damaged as a miss. `Format.md`, beside this file, has the keys and bytes.
///
/// All calls block on the disk; keep them off the cooperative thread pool. Any number of threads may call at once:
/// writers take turns, readers wait for nobody, unless they come upon damage, which they take out as writers.
///
/// ## Layout
///
/// A put writes the layers of its records into table files (`SstFileWriter`, at most some 64 MB each) that RocksDB
/// takes in as they are: no log, no memtable, no second write. Their keys are record numbers that only grow, so files
/// never overlap, go straight to the lowest level and are never compacted; a file without a live record is unlinked
/// (`DeleteFilesInRange`). The headers, in one batch of RocksDB's synced log, then make the records exist. A load walks
/// an iterator that pins its data over mapped files: the layers are verified and handed on where they lie. They are
/// verified twice, which is *walk block* below: by RocksDB's block checksums, because it ends the process over a damaged
/// block that it parses unchecked, and by an XXH3-64 of ours, which also tells one layer from another.
///
/// Measured on 2026-11-23, two cores of an AMD EPYC (Zen 4), virtual disk, RocksDB 7.8.3, 512 MB in each row, GB/s.
/// The machine was busy, so warm reads are by processor time of one thread, writes too (they include the sync, in
/// whose time the disk gave 0.05 to 0.9), cold reads by the clock; a row is good to a factor of 1.5. *Get* is a pinned
/// get, *walk* the pinning iterator; *block* verifies RocksDB's checksum (XXH3 as this build has it), *own* ours. In
/// the same runs `read(2)` gave 6 to 20 from the page cache and 0.6 to 1.3 cold, and XXH3-64 ran at 15 to 55.
///
/// | chunks of 16 × 1 MiB | write | get block | get own | walk block | walk own | cold |
/// |---|---|---|---|---|---|---|
/// | **table file per 64 MB, taken in, mapped** | 1.4–2.2 | 1.2 | 1.5 | **4.1** | 19–23 | 1.1 |
/// | the same without block checksums | 1.4–2.2 | – | 1.4 | – | 9.6 | 1.2 |
/// | the same, not mapped | 1.4–2.0 | 0.9 | 1.0 | 1.1 | 1.2 | 0.3 |
/// | the same, not mapped, allocator told to keep freed memory | 1.9 | 2.9 | 6.3 | 2.5 | 4.1 | 0.8 |
/// | table file per chunk, mapped | 1.2 | 1.2 | 1.4 | 3.5 | 20 | 0.8 |
/// | batch without log, flushed, mapped | 0.44 | 3.6 | 7.8 | 4.3 | 23 | 1.5 |
/// | batch with synced log, mapped | 0.38 | 3.7 | 9.9 | 5.2 | 23 | 1.3 |
/// | blob files, mapped | 0.24 | 1.1 | 8.3 | – | – | 0.6 |
///
/// | chunks of 8 × 32 KiB | write | get block | get own | walk block | walk own | cold |
/// |---|---|---|---|---|---|---|
/// | **table file per 64 MB, taken in, mapped** | 1.9 | 3.8 | 7.3 | **4.1** | 11 | 1.7 |
/// | the same, not mapped | 1.6 | 2.7 | 5.0 | 2.8 | 4.6 | 1.2 |
/// | table file per chunk, mapped | 0.09 | 3.5 | 6.4 | 1.8 | 9.0 | 0.6 |
/// | batch with synced log, mapped | 0.22 | 3.6 | 6.8 | 2.3 | 6.2 | 0.6 |
/// | blob files, mapped | 0.23 | 1.0 | 4.5 | – | – | 0.3 |
///
/// Pieces make no difference (4 MiB layers whole, as 1 MiB and 1 MiB layers as 256 KiB: 22, 22 and 20 by walk), so a
/// layer is one value. A get copies unless the block cache holds the value, also from mapped files, and pays for fresh
/// pages of memory with each copy; the walk doesn't. Blob values can't be pinned by an iterator. One file per chunk
/// costs three waits for the disk for each. `SstFileWriter` drops what it wrote from the page cache, so the first load
/// after a put reads the disk.
///
/// The price of mapping is that a table file which somebody cuts short while the store is open, or a disk that fails to
/// read a page, ends the process; a file that is too short when the store is opened is an error.
package final class ChunkStore: Sendable {
    /// The store's folder.
    package let directory: URL
    let options: StoreOptions
    let counters = StoreCounters()
    let ledger: Mutex<Ledger>
    /// Commits after which the journal is cut; a test lowers it.
    let longestJournal = Atomic(4096)
    private let current: Mutex<StoreSession?>
    private let noted = Mutex<[String]>([])

    /// Opens a store; a missing or empty folder becomes one, readable by its owner alone.
    ///
    /// - Throws: `locked` when another process (or another `ChunkStore` of this one) has it, saying which;
    ///   `invalidInput` for a folder that holds other things; `unsupported` for a store of a newer format; `corrupt`
    ///   when RocksDB's own files are damaged; `full` and `io` with the path for what the disk refuses.
    package init(directory: URL, options: StoreOptions = StoreOptions()) throws(TesseraError) {
        guard options.diskCap ?? 0 >= 0, options.freeDiskFloor >= 0 else {
            throw TesseraError(.invalidInput, "a store's disk cap and free-disk floor can't be negative")
        }
        let opening = try StoreOpening(directory)
        self.directory = directory
        self.options = options
        ledger = Mutex(opening.ledger)
        current = Mutex(opening.session)
        opening.notes.forEach(note)
        try rememberCap(opening.session)
    }

    deinit { close() }

    /// Closes the store: waits for a writer, brings the catalog to disk and gives up the lock. Later calls throw.
    ///
    /// Chunks that are still loaded stay valid; the lock goes with the last of them.
    package func close() {
        ledger.withLock { ledger in
            guard let session = current.withLock({ $0.take() }) else { return }
            try? flushUses(session)
            StoreOpening.end(session, ledger.state)
        }
    }

    /// What opening and running had to mend, for the log: a catalog made again, files of a cut-short write deleted.
    package var notes: [String] { noted.withLock { $0 } }

    /// The byte cap in force; 0 for none.
    package var diskCap: Int { ledger.withLock { Int(clamping: $0.state.diskCap) } }

    func session() throws(TesseraError) -> StoreSession {
        guard let session = current.withLock({ $0 }) else {
            throw TesseraError(.invalidInput, "the store \(directory.path) has been closed")
        }
        return session
    }

    func note(_ text: String) {
        noted.withLock { notes in
            if notes.count < 100 { notes.append(text) }
        }
    }

    /// Calls `body` with the books, one caller at a time.
    func writing<Result: Sendable>(
        _ body: (StoreSession, inout Ledger) throws(TesseraError) -> Result
    ) throws(TesseraError) -> Result {
        try ledger.withLock { (ledger) throws(TesseraError) in try body(try session(), &ledger) }
    }

    private func rememberCap(_ session: StoreSession) throws(TesseraError) {
        guard let cap = options.diskCap else { return }
        try writing { (session, ledger) throws(TesseraError) in
            guard ledger.state.diskCap != UInt64(cap) else { return }
            try commit(session, &ledger) { (_, next) in
                next.state.diskCap = UInt64(cap)
                return []
            }
        }
    }
}
