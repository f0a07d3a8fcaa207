// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB
internal import Foundation
internal import TesseraKV

/// The open database: small records in the default column family, layer records in one of their own.
///
/// Closes when the last reference goes; pinned layers hold one.
///
/// `@unchecked Sendable` because RocksDB's handles may be used by any number of threads at once and are never replaced.
final class RocksDatabase: @unchecked Sendable {
    let path: String
    let options: RocksOptions
    private let lock: StoreLock
    private let handle: OpaquePointer
    private let records: OpaquePointer
    private let layers: OpaquePointer
    private let recordReads: OpaquePointer
    private let layerReads: OpaquePointer
    private let durableWrite: OpaquePointer

    /// Opens the database, creating it in a folder without one. It keeps the store's lock until it is closed.
    init(path: String, lock: StoreLock) throws(TesseraError) {
        let options = RocksOptions()
        var families: [OpaquePointer?] = [nil, nil]
        let handle = try withCharacters(of: ["default", Self.layersName]) { (names) throws(TesseraError) in
            try checked(path, "open the database") { error in
                rocksdb_open_column_families(
                    options.records, path, 2, names, [options.records, options.layers], &families, error)
            }
        }
        guard let handle, let records = families[0], let layers = families[1] else {
            throw TesseraError(.io, "couldn't open the database in \(path)")
        }
        (self.path, self.options, self.lock, self.handle) = (path, options, lock, handle)
        (self.records, self.layers) = (records, layers)
        recordReads = rocksdb_readoptions_create()
        layerReads = rocksdb_readoptions_create()
        // Layers carry checksums of ours, but RocksDB parses a block before we see a byte of it, and ends the process
        // over one that contradicts itself.
        rocksdb_readoptions_set_verify_checksums(layerReads, 1)
        rocksdb_readoptions_set_fill_cache(layerReads, 0)
        rocksdb_readoptions_set_pin_data(layerReads, 1)
        rocksdb_readoptions_set_background_purge_on_iterator_cleanup(layerReads, 1)
        durableWrite = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(durableWrite, 1)
    }

    private static let layersName = "layers"

    deinit {
        rocksdb_writeoptions_destroy(durableWrite)
        rocksdb_readoptions_destroy(layerReads)
        rocksdb_readoptions_destroy(recordReads)
        rocksdb_column_family_handle_destroy(layers)
        rocksdb_column_family_handle_destroy(records)
        rocksdb_close(handle)
    }

    /// Calls `body` with the value of a small record, in place; nil when there is none.
    func withValue<Result>(
        _ key: [UInt8], _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Result
    ) throws(TesseraError) -> Result? {
        let pinned = try checked(path, "read a record") { error in
            key.withCharacters { rocksdb_get_pinned(handle, recordReads, $0, $1, error) }
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

    /// Calls `body` with each small record from `start` up to, not including, `end`, until it returns false.
    func scan(
        from start: [UInt8], upTo end: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(TesseraError) -> Bool
    ) throws(TesseraError) {
        let iterator = rocksdb_create_iterator_cf(handle, recordReads, records)
        defer { rocksdb_iter_destroy(iterator) }
        start.withCharacters { rocksdb_iter_seek(iterator, $0, $1) }
        while rocksdb_iter_valid(iterator) != 0 {
            var keyCount = 0
            var count = 0
            let key = UnsafeRawBufferPointer(start: rocksdb_iter_key(iterator, &keyCount), count: keyCount)
            guard key.lexicographicallyPrecedes(end) else { return }
            let value = UnsafeRawBufferPointer(start: rocksdb_iter_value(iterator, &count), count: count)
            guard try body(key, value) else { return }
            rocksdb_iter_next(iterator)
        }
        try checked(path, "read records") { rocksdb_iter_get_error(iterator, $0) }
    }

    /// Applies a batch to the small records; on return it is on disk.
    func write(_ batch: WriteBatch) throws(TesseraError) {
        try checked(path, "write records") { rocksdb_write(handle, durableWrite, batch.handle, $0) }
    }

    /// Takes in finished table files of layers, all in one step; on return they are on disk.
    func ingest(_ files: [String]) throws(TesseraError) {
        let ingestion = rocksdb_ingestexternalfileoptions_create()
        defer { rocksdb_ingestexternalfileoptions_destroy(ingestion) }
        rocksdb_ingestexternalfileoptions_set_move_files(ingestion, 1)
        try withCharacters(of: files) { (names) throws(TesseraError) in
            try checked(path, "take in layers") { error in
                rocksdb_ingest_external_file_cf(handle, layers, names, names.count, ingestion, error)
            }
        }
    }

    /// Deletes the table files whose records all lie in `range`. Readers that pin them keep them until they let go.
    func dropLayerFiles(_ range: ClosedRange<UInt64>) throws(TesseraError) {
        try checked(path, "delete layers") { error in
            StoreKey.layer(range.lowerBound, 0).withCharacters { start, startCount in
                StoreKey.layer(range.upperBound, StoreKey.lastLayer).withCharacters {
                    rocksdb_delete_file_in_range_cf(handle, layers, start, startCount, $0, $1, error)
                }
            }
        }
    }

    /// The first record of each table file of layers.
    func layerFiles() -> [UInt64] {
        guard let files = rocksdb_livefiles(handle) else { return [] }
        defer { rocksdb_livefiles_destroy(files) }
        return (0..<rocksdb_livefiles_count(files)).compactMap { index in
            guard String(cString: rocksdb_livefiles_column_family_name(files, index)) == Self.layersName else {
                return nil
            }
            var count = 0
            let key = rocksdb_livefiles_smallestkey(files, index, &count)
            return StoreKey.record(ofLayer: UnsafeRawBufferPointer(start: key, count: count))
        }
    }

    /// Bytes of the table files of small records; a compaction may need as many again.
    func recordFileByteCount() -> Int {
        var count: UInt64 = 0
        guard rocksdb_property_int_cf(handle, records, "rocksdb.total-sst-files-size", &count) == 0 else { return 0 }
        return Int(clamping: count)
    }

    /// An iterator over layers that pins what it has passed; the caller destroys it.
    func layerIterator() -> OpaquePointer {
        rocksdb_create_iterator_cf(handle, layerReads, layers)
    }
}
