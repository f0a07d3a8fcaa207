// SPDX-License-Identifier: Apache-2.0

package import Foundation
package import TesseraKV

/// What a repair did.
package struct StoreRepair: Sendable {
    /// Whether RocksDB's own files had to be made anew.
    package var remadeDatabase = false
    /// Records that were taken out.
    package var removed = 0
    /// Records that are left.
    package var records = 0
    /// Bytes of the folder before and after.
    package var bytesBefore = 0
    package var bytesAfter = 0
}

extension ChunkStore {
    /// Makes a damaged store a sound one, without what is damaged.
    ///
    /// RocksDB's files are made anew where they can't be opened. What segments hold is counted from the headers, records
    /// whose layers don't verify are taken out, blocks that no record uses are given back, and the catalog is made again.
    ///
    /// - Throws: `locked` when somebody has the store; `invalidInput` for a wrong key; `io` and `full` as the disk says.
    package static func repair(
        directory: URL, options: StoreOptions = StoreOptions(), progress: (Int) -> Void = { _ in }
    ) throws(TesseraError) -> StoreRepair {
        var report = StoreRepair()
        report.remadeDatabase = try StoreOpening.repairDatabase(directory)
        let store = try ChunkStore(directory: directory, options: options, repairs: true)
        defer { store.close() }
        try store.writing { (session, ledger) throws(TesseraError) in
            report.bytesBefore = session.directory.byteCount()
            try CatalogKeeper(session).rebuild(ledger.state)
            var look = StoreLook(session, ledger)
            try look.run(readsLayers: true, progress: progress)
            for key in look.bad {
                try store.quarantine(key, ifAt: try? session.header(key)?.place, session, &ledger)
                report.removed += 1
            }
            try store.dropStrayVariants(session, &ledger)
            try CatalogKeeper(session).rebuild(ledger.state)
            try store.freeUnused(session, &ledger)
            report.records = look.found.records - report.removed
            report.bytesAfter = session.directory.byteCount()
        }
        return report
    }

    private func dropStrayVariants(_ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) {
        var stray: [[UInt8]] = []
        try session.database.scan(StoreKey.variants) { (key, _) throws(TesseraError) in
            let variant = StoreKey.variant(ofRecord: key)
            let header = try variant.map { (key) throws(TesseraError) in try session.isVariantThere(key) }
            if header != true { stray.append([UInt8](key)) }
            return true
        }
        guard !stray.isEmpty else { return }
        try commit(session, &ledger) { (batch, _) in
            stray.forEach(batch.delete)
            return []
        }
    }

    /// Brings the databases to their least size and gives back every block that no record uses, also those that damaged
    /// records took.
    ///
    /// - Returns: Bytes of the folder before and after.
    @discardableResult
    package func compact() throws(TesseraError) -> (before: Int, after: Int) {
        try writing { (session, ledger) throws(TesseraError) in
            let before = session.directory.byteCount()
            try session.database.compact()
            try session.catalog.checkpoint()
            try freeUnused(session, &ledger)
            return (before, session.directory.byteCount())
        }
    }

    /// Makes a hole of everything between the records of each segment.
    private func freeUnused(_ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) {
        var look = StoreLook(session, ledger)
        try look.run(readsLayers: false) { _ in }
        for (number, segment) in ledger.segments {
            var end = 0
            for extent in (look.extents[number] ?? []).sorted(by: { $0.lowerBound < $1.lowerBound }) {
                try free(end..<max(end, extent.lowerBound), of: number, session, &ledger)
                end = max(end, extent.upperBound)
            }
            try free(end..<max(end, Int(segment.byteCount)), of: number, session, &ledger)
        }
        reclaim(session, &ledger)
    }

    private func free(
        _ range: Range<Int>, of segment: UInt64, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) {
        guard !range.isEmpty else { return }
        let hole = Hole(place: RecordPlace(segment: segment, offset: UInt64(range.lowerBound)), extent: range.count)
        if case .done = try session.files.punch(hole) {
            ledger.measured(segment, session.files.measure(segment))
        }
    }
}

extension StoreSession {
    /// Whether a variant's header can be read.
    func isVariantThere(_ key: ChunkKey) throws(TesseraError) -> Bool {
        do { return try header(key)?.provenance == .contextual } catch  where error.code == .corrupt { return false }
    }
}
