// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
package import Foundation
internal import Synchronization
package import TesseraKV

/// Keeps the KV of chunks and prefixes on disk: layers in segments, headers in RocksDB, and a catalog in SQLite.
///
/// The store knows no model. It takes layers as opaque bytes, gives them back bit for bit or not at all, and counts
/// whatever it finds damaged as a miss. `Format.md`, beside this file, has the keys and bytes.
///
/// All calls block on the disk; keep them off the cooperative thread pool. Any number of threads may call at once:
/// writers take turns, readers wait for nobody, unless they come upon damage, which they take out as writers.
///
/// ## Layout
///
/// A put writes the layers of its records into segments, plain files of at most some 16 MB (or one record), and syncs
/// them. The headers, in one batch of RocksDB's synced log, then make the records exist. A load reads with `pread` into
/// memory that is used again and again, and verifies each layer once, while the processor's cache has it. Removing a
/// record frees its blocks (a hole in the file) or deletes the file.
///
/// Layers lay in RocksDB's own table files before. Those had to be mapped to be fast, and a mapped file that is cut
/// short or fails to be read ends the process; RocksDB parses a block before we can verify it, which takes a second
/// checksum over the same bytes; table files took tens of megabytes beyond their records, which no small cap allows,
/// and removing one record of many meant to write the others anew. A file of our own has none of this, and headers,
/// where a log-structured tree is at its best, stay in RocksDB. `tessera bench store` has the figures.
package final class ChunkStore: Sendable {
    /// The store's folder.
    package let directory: URL
    let options: StoreOptions
    let desk: Mutex<EvictionDesk>
    let counters = StoreCounters()
    let ledger: Mutex<Ledger>
    /// Commits after which the journal is cut; a test lowers it.
    let longestJournal = Atomic(4096)
    /// Where the catalog is told of uses.
    let uses = DispatchQueue(label: "tessera.uses")
    private let current: Mutex<StoreSession?>
    private let noted = Mutex<[String]>([])

    /// Opens a store; a missing or empty folder becomes one, readable by its owner alone.
    ///
    /// - Throws: `locked` when another process (or another `ChunkStore` of this one) has it, saying which;
    ///   `invalidInput` for a folder that holds other things; `unsupported` for a store of a newer format; `corrupt`
    ///   when RocksDB's own files are damaged; `full` and `io` with the path for what the disk refuses.
    package convenience init(directory: URL, options: StoreOptions = StoreOptions()) throws(TesseraError) {
        try self.init(directory: directory, options: options, repairs: false)
    }

    /// - Parameter repairs: Whether the books are made anew from the headers.
    init(directory: URL, options: StoreOptions, repairs: Bool) throws(TesseraError) {
        guard options.diskCap ?? 0 >= 0, options.freeDiskFloor >= 0 else {
            throw TesseraError(.invalidInput, "a store's disk cap and free-disk floor can't be negative")
        }
        if let cap = options.diskCap, cap > 0, cap < Self.leastDiskCap {
            throw TesseraError(
                .invalidInput,
                "a store's databases alone take some megabytes: a disk cap is at least \(megabytes(Self.leastDiskCap))")
        }
        try options.eviction.validate()
        let opening = try StoreOpening(
            directory, try MemoryBudget(cap: options.ramCap), key: options.encryptionKey,
            repairs: repairs)
        self.directory = directory
        self.options = options
        desk = Mutex(EvictionDesk(options.eviction))
        ledger = Mutex(opening.ledger)
        current = Mutex(opening.session)
        opening.notes.forEach(note)
        try applyCap(opening.session)
    }

    /// The least cap that a store can have.
    package static let leastDiskCap = 4 << 20

    deinit { end() }

    /// Closes the store: waits for a writer, brings the catalog to disk and gives up the lock. Later calls throw.
    ///
    /// Chunks that are still loaded stay valid; the lock goes with the last of them.
    package func close() {
        uses.sync {}
        end()
    }

    private func end() {
        ledger.withLock { ledger in
            guard let session = current.withLock({ $0.take() }) else { return }
            try? flushUses(session)
            StoreOpening.end(session, ledger.state)
        }
    }

    /// Lets go of the store as a killed process does, with nothing brought to its end: for benches of opening.
    package func abandon() {
        uses.sync {}
        ledger.withLock { _ in current.withLock { $0 = nil } }
    }

    /// Returns when nothing is being written in the background, or after a minute: for benches of a store at rest.
    package func waitUntilIdle() throws(TesseraError) {
        let session = try session()
        for _ in 0..<3000 where session.database.isBusy { Thread.sleep(forTimeInterval: 0.02) }
    }

    /// What opening and running had to mend, for the log: a catalog made again, files of a cut-short write deleted.
    package var notes: [String] { noted.withLock { $0 } }

    /// Tells others, who find the store in use, how to reach its holder.
    package func advertise(_ text: String) throws(TesseraError) {
        try session().database.lock.advertise(text)
    }

    /// Whether what the store keeps is encrypted.
    package var isEncrypted: Bool { options.encryptionKey != nil }

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

    private func applyCap(_ session: StoreSession) throws(TesseraError) {
        try writing { (session, ledger) throws(TesseraError) in
            if let cap = options.diskCap, ledger.state.diskCap != UInt64(cap) {
                try commit(session, &ledger) { (_, next) in
                    next.state.diskCap = UInt64(cap)
                    return []
                }
            }
            try session.database.fit(diskCap: Int(clamping: ledger.state.diskCap))
            try session.catalog.fit(diskCap: Int(clamping: ledger.state.diskCap))
            reclaim(session, &ledger)
            // A cap that was lowered holds from now on. Where it can't, writing is refused and reading goes on.
            do throws(TesseraError) {
                try makeRoom(for: 0, session, &ledger)
            } catch {
                guard error.code == .full else { throw error }
                note(error.message)
            }
        }
    }
}
