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
/// readers never wait for each other or for a writer, writers take turns.
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
