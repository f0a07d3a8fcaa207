// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// Opening and closing a store: the steps, in order, and what each mends.
struct StoreOpening {
    let session: StoreSession
    private(set) var ledger: Ledger
    private(set) var notes: [String] = []

    init(_ url: URL, _ budget: MemoryBudget, key: EncryptionKey?, repairs: Bool = false) throws(TesseraError) {
        let directory = try StoreDirectory(url)
        let lock = try StoreLock(directory)
        try Self.requireSpace(directory)
        let database = try RocksDatabase(path: directory.database, lock: lock, blockCache: budget.blocks, key: key)
        let files = SegmentFiles(path: directory.layers)
        do throws(TesseraError) {
            ledger = try repairs ? Self.deriveLedger(database, files) : Self.readLedger(database)
        } catch {
            guard error.code == .corrupt else { throw error }
            throw TesseraError(
                .corrupt, "\(directory.path): \(error.message); `tessera store repair` keeps what is sound")
        }
        let (catalog, note) = try Self.openCatalog(directory, database)
        session = StoreSession(
            directory: directory, database: database, catalog: catalog, files: files,
            budget: budget)
        try takeStock(files)
        if let note { notes.append(note) }
        if try CatalogKeeper(session).catchUp(with: ledger.state) == .madeAgain, ledger.state.sequence > 0, note == nil
        {
            notes.append("made the catalog again: it was missing, older or another store's")
        }
    }

    /// Opening and closing write a little; RocksDB ends the process where not even that has room.
    private static func requireSpace(_ directory: StoreDirectory) throws(TesseraError) {
        guard directory.freeByteCount() < leastFreeBytes else { return }
        throw TesseraError(
            .full,
            "the disk of \(directory.path) is full: opening a store takes \(leastFreeBytes >> 10) KiB; free some space")
    }

    private static let leastFreeBytes = 256 << 10

    /// The clean end: the catalog on disk and sealed, so that the next opening need not check it.
    static func end(_ session: StoreSession, _ state: StoreState) {
        let seal = WriteBatch()
        do {
            try requireSpace(session.directory)
            try CatalogKeeper(session).catchUp(with: state)
            try session.catalog.close()
            seal.delete(from: StoreKey.journal(0), upTo: StoreKey.journal(state.sequence))
            seal.put(StoreKey.seal, try CatalogSeal(of: session.directory.catalog).encoded)
            try session.database.write(seal)
        } catch {
            // Without its seal the catalog is checked, and made again if need be, when the store is next opened.
        }
    }

    private static func readLedger(_ database: RocksDatabase) throws(TesseraError) -> Ledger {
        let known = try database.withValue(StoreKey.state) { (bytes) throws(TesseraError) in try StoreState(bytes) }
        let state = known ?? StoreState(identity: .random(in: .min ... .max))
        if known == nil {
            let batch = WriteBatch()
            batch.put(StoreKey.state, state.encoded)
            try database.write(batch)
        }
        var segments: [Segment] = []
        try database.scan(StoreKey.segments) { (key, value) throws(TesseraError) in
            if let number = StoreKey.number(key) { segments.append(try Segment(value, number: number)) }
            return true
        }
        var holes: [Hole] = []
        try database.scan(StoreKey.holes) { (key, value) throws(TesseraError) in
            if let place = StoreKey.place(ofHole: key) { holes.append(try Hole(value, place: place)) }
            return true
        }
        return Ledger(state: state, segments: segments, holes: holes)
    }

    /// The books as they follow from the headers and the folder, whatever was written down; they are written down anew.
    private static func deriveLedger(_ database: RocksDatabase, _ files: SegmentFiles) throws(TesseraError) -> Ledger {
        var segments: [UInt64: Segment] = [:]
        try database.scan(StoreKey.headers) { (key, value) throws(TesseraError) in
            guard let chunk = StoreKey.chunk(ofHeader: key), let header = try? RecordHeader(value, for: chunk) else {
                return true
            }
            let number = header.place.segment
            let size = files.measure(number)?.byteCount ?? 0
            var segment =
                segments[number] ?? Segment(number: number, byteCount: size, liveRecords: 0, liveBytes: 0)
            segment.liveRecords += 1
            segment.liveBytes += UInt64(header.byteCount)
            segments[number] = segment
            return true
        }
        let known = try? database.withValue(StoreKey.state) { (bytes) throws(TesseraError) in try StoreState(bytes) }
        var state = known ?? StoreState(identity: .random(in: .min ... .max))
        state.nextSegment = max(state.nextSegment, (try files.numbers().max() ?? 0) + 1)
        state.nextSegment = max(state.nextSegment, (segments.keys.max() ?? 0) + 1)
        // A history of its own: no catalog may be taken for its.
        state.identity = .random(in: .min ... .max)
        let batch = database.batch()
        for kind in [StoreKey.segments, StoreKey.holes, StoreKey.journal] {
            batch.delete(from: kind.start, upTo: kind.end)
        }
        for segment in segments.values { batch.put(StoreKey.segment(segment.number), segment.encoded) }
        batch.put(StoreKey.state, state.encoded)
        try database.write(batch)
        return Ledger(state: state, segments: Array(segments.values))
    }

    /// Makes RocksDB's files anew from what can be read of them, where they can't be opened as they are.
    ///
    /// - Returns: Whether that was necessary.
    static func repairDatabase(_ url: URL) throws(TesseraError) -> Bool {
        let directory = try StoreDirectory(url)
        let lock = try StoreLock(directory)
        try requireSpace(directory)
        return try RocksDatabase.repair(path: directory.database, lock: lock)
    }

    /// Compares the books with the folder. Segments that no commit claims are deleted: a process was killed between
    /// writing them and the commit, or between a removal's commit and the deletion.
    private mutating func takeStock(_ files: SegmentFiles) throws(TesseraError) {
        var unclaimed = 0
        for number in try files.numbers() {
            if ledger.segments[number] == nil {
                try files.delete(number)
                unclaimed += 1
            } else {
                ledger.measured(number, files.measure(number))
            }
        }
        if unclaimed > 0 { notes.append("deleted layers of a write or a removal that was cut short") }
        let short = ledger.segments.values.count { segment in
            (ledger.files[segment.number]?.byteCount ?? 0) < Int(segment.byteCount)
        }
        if short > 0 { notes.append("\(short) files of layers are missing or cut short; their chunks are misses") }
    }

    /// Opens the catalog. One that is not as it was sealed, or that SQLite finds damaged, is deleted and begun anew.
    private static func openCatalog(
        _ directory: StoreDirectory, _ database: RocksDatabase
    ) throws(TesseraError) -> (Catalog, note: String?) {
        let seal = try database.value(StoreKey.seal)
        if seal != nil {
            let batch = WriteBatch()
            batch.delete(StoreKey.seal)
            try database.write(batch)
        }
        if FileManager.default.fileExists(atPath: directory.catalog) {
            if let seal {
                if seal == (try? CatalogSeal(of: directory.catalog).encoded) {
                    return (try Catalog(path: directory.catalog), nil)
                }
            } else if let catalog = try? Catalog(path: directory.catalog), catalog.isSound() {
                return (catalog, nil)
            }
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: directory.catalog + suffix)
            }
            return (try Catalog(path: directory.catalog), "made the catalog again: it was damaged or exchanged")
        }
        return (try Catalog(path: directory.catalog), nil)
    }
}
