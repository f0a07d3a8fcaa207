// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB
internal import Foundation
internal import Synchronization
internal import TesseraKV

/// The open database of small records. It closes when the last reference goes.
///
/// `@unchecked Sendable` because RocksDB's handles may be used by any number of threads at once and are never replaced, and
/// the cipher is set before anybody else has the object.
final class RocksDatabase: @unchecked Sendable {
    let path: String
    private let options: RocksOptions
    /// What seals and opens the values of an encrypted store.
    private(set) var cipher: StoreCipher?
    /// The store's lock, held until the database is closed.
    let lock: StoreLock
    private let handle: OpaquePointer
    private let reads: OpaquePointer
    private let durableWrite: OpaquePointer
    private let failed = Atomic(false)
    private let writeBuffer = Atomic(RocksDatabase.largestWriteBuffer)

    /// Opens the database, creating it in a folder without one. It keeps the store's lock until it is closed.
    ///
    /// - Parameter key: What an encrypted store is opened, and a new one made, with.
    init(
        path: String, lock: StoreLock, blockCache: Int = 1 << 20, key: EncryptionKey? = nil
    ) throws(TesseraError) {
        // The first log is as large on disk as it may become, before anybody has read what cap there is.
        let options = RocksOptions(writeBuffer: Self.leastWriteBuffer, blockCache: blockCache)
        if try Self.isNew(path) { rocksdb_options_set_create_if_missing(options.handle, 1) }
        let handle = try checked(path, "open the database") { rocksdb_open(options.handle, path, $0) }
        guard let handle else { throw TesseraError(.io, "couldn't open the database in \(path)") }
        (self.path, self.options, self.lock, self.handle) = (path, options, lock, handle)
        reads = rocksdb_readoptions_create()
        durableWrite = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(durableWrite, 1)
        cipher = nil
        cipher = try agreeOnEncryption(key)
    }

    /// Whether there is nothing to lose: RocksDB would begin a new database over one that has only lost the file that
    /// names its manifest.
    private static func isNew(_ path: String) throws(TesseraError) -> Bool {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path).allSatisfy { name in
                name != "CURRENT" && !name.hasSuffix(".sst") && !name.hasSuffix(".log")
            }
        } catch { throw TesseraError(.io, "couldn't read \(path): \(error.localizedDescription)") }
    }

    /// The cipher of a store that is encrypted, or that is new and shall be.
    private func agreeOnEncryption(_ key: EncryptionKey?) throws(TesseraError) -> StoreCipher? {
        let known = try withValue(StoreKey.encryption) { (bytes) throws(TesseraError) in try EncryptionRecord(bytes) }
        guard let key else {
            guard known == nil else {
                throw TesseraError(.invalidInput, "the store is encrypted; name its key file with --encrypt-key-file")
            }
            return nil
        }
        if let known {
            guard let cipher = known.cipher(key) else {
                throw TesseraError(.invalidInput, "the key is not the one that the store was encrypted with")
            }
            return cipher
        }
        guard try value(StoreKey.state) == nil else {
            throw TesseraError(
                .invalidInput,
                "the store is not encrypted; use a new folder for an encrypted one, or leave the key away")
        }
        let record = try EncryptionRecord(for: key)
        let batch = WriteBatch()
        batch.put(StoreKey.encryption, record.encoded)
        try write(batch)
        return record.cipher(key)
    }

    deinit {
        rocksdb_writeoptions_destroy(durableWrite)
        rocksdb_readoptions_destroy(reads)
        rocksdb_close(handle)
    }

    /// Calls `body` with the value of a small record, in place; nil when there is none.
    ///
    /// One that isn't authentic, where that is to be expected, reads as empty, which no record of ours is.
    func withValue<Result>(
        _ key: [UInt8], _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Result
    ) throws(TesseraError) -> Result? {
        try withRawValue(key) { (bytes) throws(TesseraError) in
            guard let cipher, StoreKey.isSealed(key) else { return try body(bytes) }
            return try (cipher.opened(bytes, of: key) ?? []).withBytes(body)
        }
    }

    /// Calls `body` with the value of a small record as it is on disk; nil when there is none.
    private func withRawValue<Result>(
        _ key: [UInt8], _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Result
    ) throws(TesseraError) -> Result? {
        let pinned = try checked(path, "read a record") { error in
            key.withCharacters { rocksdb_get_pinned(handle, reads, $0, $1, error) }
        }
        guard let pinned else { return nil }
        defer { rocksdb_pinnableslice_destroy(pinned) }
        var count = 0
        let start = rocksdb_pinnableslice_value(pinned, &count)
        return try body(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// A copy of the value of a small record; nil when there is none.
    func value(_ key: [UInt8]) throws(TesseraError) -> [UInt8]? {
        try withValue(key) { (bytes) throws(TesseraError) in [UInt8](bytes) }
    }

    /// A copy of the value of a small record as it is on disk; nil when there is none.
    func rawValue(_ key: [UInt8]) throws(TesseraError) -> [UInt8]? {
        try withRawValue(key) { (bytes) throws(TesseraError) in [UInt8](bytes) }
    }

    /// Begins a batch whose values are sealed where the store is encrypted.
    func batch() -> WriteBatch { WriteBatch(cipher) }

    /// Calls `body` with each record of a kind, until it returns false.
    func scan(
        _ kind: (start: [UInt8], end: [UInt8]),
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(TesseraError) -> Bool
    ) throws(TesseraError) {
        try scan(from: kind.start, upTo: kind.end, body)
    }

    /// Calls `body` with each record from `start` up to, not including, `end`, until it returns false.
    func scan(
        from start: [UInt8], upTo end: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(TesseraError) -> Bool
    ) throws(TesseraError) {
        let iterator = rocksdb_create_iterator(handle, reads)
        defer { rocksdb_iter_destroy(iterator) }
        start.withCharacters { rocksdb_iter_seek(iterator, $0, $1) }
        while rocksdb_iter_valid(iterator) != 0 {
            var keyCount = 0
            var count = 0
            let key = UnsafeRawBufferPointer(start: rocksdb_iter_key(iterator, &keyCount), count: keyCount)
            guard key.lexicographicallyPrecedes(end) else { return }
            let value = UnsafeRawBufferPointer(start: rocksdb_iter_value(iterator, &count), count: count)
            guard try visit(key, value, body) else { return }
            rocksdb_iter_next(iterator)
        }
        try checked(path, "read records") { rocksdb_iter_get_error(iterator, $0) }
    }

    private func visit(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(TesseraError) -> Bool
    ) throws(TesseraError) -> Bool {
        let name = [UInt8](key)
        guard let cipher, StoreKey.isSealed(name) else { return try body(key, value) }
        return try (cipher.opened(value, of: name) ?? []).withBytes { (value) throws(TesseraError) in
            try body(key, value)
        }
    }

    /// Whether a write has failed: it may be on disk or not, and RocksDB takes no other until it is opened again.
    var hasFailed: Bool { failed.load(ordering: .relaxed) }

    /// Applies a batch; on return it is on disk.
    func write(_ batch: WriteBatch) throws(TesseraError) {
        if let failure = batch.failure { throw failure }
        guard !hasFailed else {
            throw TesseraError(
                .io, "an earlier write to \(path) failed, so the store takes no other: close it and open it again")
        }
        do {
            try checked(path, "write records") { rocksdb_write(handle, durableWrite, batch.handle, $0) }
        } catch {
            failed.store(true, ordering: .relaxed)
            throw error
        }
    }

    /// Fits the memory of records, and with it the log, to a cap on the folder; 0 for none.
    func fit(diskCap: Int) throws(TesseraError) {
        let size =
            diskCap == 0
            ? Self.largestWriteBuffer : min(Self.largestWriteBuffer, max(diskCap / 64, Self.leastWriteBuffer))
        writeBuffer.store(size, ordering: .relaxed)
        try withCharacters(of: ["write_buffer_size", String(size)]) { (texts) throws(TesseraError) in
            try checked(path, "set options") { rocksdb_set_options(handle, 1, [texts[0]], [texts[1]], $0) }
        }
    }

    /// Bytes that the database may take beside what it has: a compaction of all tables, the next log, and the table that
    /// the last one becomes.
    func reservedByteCount() -> Int {
        var tables: UInt64 = 0
        if rocksdb_property_int(handle, "rocksdb.total-sst-files-size", &tables) != 0 { tables = 0 }
        return Int(clamping: tables) + 3 * writeBuffer.load(ordering: .relaxed)
    }

    /// Whether tables are being written in the background.
    var isBusy: Bool {
        ["rocksdb.num-running-compactions", "rocksdb.compaction-pending", "rocksdb.num-running-flushes"].contains {
            name in
            var count: UInt64 = 0
            return rocksdb_property_int(handle, name, &count) == 0 && count > 0
        }
    }

    /// Writes all tables anew without what has been deleted.
    func compact() throws(TesseraError) {
        let flush = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(flush) }
        try checked(path, "write records out") { rocksdb_flush(handle, flush, $0) }
        rocksdb_compact_range(handle, nil, 0, nil, 0)
    }

    /// Makes the files anew from what can be read of them, if they can't be opened as they are or a table can't be read.
    /// Anything but damage is an error: what a full disk or a missing right hides must not be made anew without.
    ///
    /// - Returns: Whether that was necessary.
    static func repair(path: String, lock: StoreLock) throws(TesseraError) -> Bool {
        do {
            try readAll(path: path)
            return false
        } catch {
            guard error.code == .corrupt else { throw error }
        }
        let options = RocksOptions(writeBuffer: leastWriteBuffer, blockCache: 1 << 20)
        try checked(path, "repair the database") { rocksdb_repair_db(options.handle, path, $0) }
        // What it couldn't use, RocksDB sets aside; nobody would ever look there.
        try? FileManager.default.removeItem(atPath: path + "/lost")
        return true
    }

    private static func readAll(path: String) throws(TesseraError) {
        let options = RocksOptions(writeBuffer: leastWriteBuffer, blockCache: 1 << 20)
        if try isNew(path) { rocksdb_options_set_create_if_missing(options.handle, 1) }
        guard let handle = try checked(path, "open the database", { rocksdb_open(options.handle, path, $0) }) else {
            throw TesseraError(.io, "couldn't open the database in \(path)")
        }
        defer { rocksdb_close(handle) }
        let reads = rocksdb_readoptions_create()
        let iterator = rocksdb_create_iterator(handle, reads)
        defer {
            rocksdb_iter_destroy(iterator)
            rocksdb_readoptions_destroy(reads)
        }
        rocksdb_iter_seek_to_first(iterator)
        while rocksdb_iter_valid(iterator) != 0 { rocksdb_iter_next(iterator) }
        try checked(path, "read records") { rocksdb_iter_get_error(iterator, $0) }
    }

    private static let leastWriteBuffer = 128 << 10
    /// Over a thousand headers of real chunks.
    private static let largestWriteBuffer = 4 << 20
}
