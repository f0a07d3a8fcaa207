// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB
internal import TesseraKV

/// The layer records of one chunk, held where RocksDB mapped them: no byte is copied.
///
/// An iterator that pins its data keeps the mapped blocks, and the files under them, for as long as it lives, also
/// when the chunk is removed meanwhile.
///
/// `@unchecked Sendable` because the iterator is moved only in `init`; afterwards the object is immutable.
final class PinnedLayers: @unchecked Sendable {
    /// The bytes of each layer found, in order; they live as long as this object.
    let layers: [UnsafeRawBufferPointer]
    private let iterator: LayerIterator

    /// Finds the `range` of layers of a record. Stops at the first that is missing.
    init(_ database: RocksDatabase, record: UInt64, layers range: Range<Int>) throws(TesseraError) {
        let iterator = LayerIterator(database)
        layers = try iterator.layers(range, of: record)
        self.iterator = iterator
    }
}

/// Owns the iterator and, through it, keeps the database open.
private final class LayerIterator {
    private let database: RocksDatabase
    private let handle: OpaquePointer

    init(_ database: RocksDatabase) {
        self.database = database
        handle = database.layerIterator()
    }

    deinit { rocksdb_iter_destroy(handle) }

    func layers(_ range: Range<Int>, of record: UInt64) throws(TesseraError) -> [UnsafeRawBufferPointer] {
        var found: [UnsafeRawBufferPointer] = []
        found.reserveCapacity(range.count)
        StoreKey.layer(record, range.lowerBound).withCharacters { rocksdb_iter_seek(handle, $0, $1) }
        for layer in range {
            guard let value = value(of: StoreKey.layer(record, layer)) else { break }
            found.append(value)
            if layer + 1 < range.upperBound { rocksdb_iter_next(handle) }
        }
        try checked(database.path, "read layers") { rocksdb_iter_get_error(handle, $0) }
        return found
    }

    /// The value where the iterator stands; nil when that isn't `key`.
    private func value(of key: [UInt8]) -> UnsafeRawBufferPointer? {
        guard rocksdb_iter_valid(handle) != 0 else { return nil }
        var count = 0
        let start = rocksdb_iter_key(handle, &count)
        guard UnsafeRawBufferPointer(start: start, count: count).elementsEqual(key) else { return nil }
        let value = rocksdb_iter_value(handle, &count)
        return UnsafeRawBufferPointer(start: value, count: count)
    }
}
