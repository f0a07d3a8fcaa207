// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// Bytes that the store's folder takes on disk, everything in it counted.
    package func diskUsage() throws(TesseraError) -> Int {
        try session().directory.byteCount()
    }

    /// Bytes of records that can still be written, in batches of so many bytes: under the cap, where there is one, and
    /// above the disk's floor.
    package func room(batches batchBytes: Int) throws(TesseraError) -> Int {
        let session = try session()
        var free = session.directory.freeByteCount() - options.freeDiskFloor
        if diskCap > 0 { free = min(free, diskCap - session.directory.byteCount()) }
        // What `makeRoom` wants beside the layers of the last batch; headers are a few percent of small layers.
        let reserve = Self.slackBytes + session.database.recordFileByteCount() + batchBytes / 16
        return max(0, free - reserve)
    }

    /// Refuses a write that would take the folder over its cap or the disk below its floor.
    ///
    /// Counted are the folder's real bytes, the layers, the headers three times (in RocksDB's log, in its tables and
    /// in the catalog), and one compaction of all headers. Walking the folder takes a moment, so it is measured anew
    /// only where the last measure and what was written since come close to the cap.
    func makeRoom(
        for records: [OutgoingRecord], _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        let layers = records.reduce(0) { $0 + $1.header.byteCount + 64 * $1.header.layers.count }
        let headers = records.reduce(0) { $0 + 4 * $1.header.tokens.count + 16 * $1.header.layers.count + 512 }
        let variants = records.reduce(0) { $0 + ($1.variant?.byteCount ?? 0) }
        let needed = layers + 3 * headers + 2 * variants + session.database.recordFileByteCount() + Self.slackBytes
        try makeRoom(for: needed, session, &ledger)
    }

    /// Refuses a write of so many bytes that would take the folder over its cap or the disk below its floor.
    func makeRoom(for needed: Int, _ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) {
        guard session.directory.freeByteCount() - needed >= options.freeDiskFloor else {
            throw TesseraError(
                .full,
                "the disk of \(session.directory.path) has no room for \(Self.megabytes(needed)) above the "
                    + "\(Self.megabytes(options.freeDiskFloor)) that are left free; free some space or remove chunks")
        }
        let cap = Int(clamping: ledger.state.diskCap)
        guard cap > 0 else { return }
        let remembered = ledger.measuredBytes.map { $0 + ledger.writtenBytes }
        if remembered.map({ $0 + needed > cap }) ?? true || ledger.writtenBytes > Self.unmeasuredBytes {
            (ledger.measuredBytes, ledger.writtenBytes) = (session.directory.byteCount(), 0)
        }
        let used = (ledger.measuredBytes ?? 0) + ledger.writtenBytes
        guard used + needed <= cap else {
            throw TesseraError(
                .full,
                "the store \(session.directory.path) takes \(Self.megabytes(used)) and \(Self.megabytes(needed)) more would "
                    + "exceed its disk cap of \(Self.megabytes(cap)); raise the cap or remove chunks")
        }
    }

    /// Room for what grows by blocks: RocksDB's manifest and log, SQLite's log.
    private static let slackBytes = 1 << 20
    private static let unmeasuredBytes = 256 << 20

    private static func megabytes(_ bytes: Int) -> String {
        let tenths = (max(0, bytes) + 99_999) / 100_000
        return "\(tenths / 10).\(tenths % 10) MB"
    }
}
