// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB

/// Writes to the small records that take effect together or not at all.
final class WriteBatch {
    let handle: OpaquePointer = rocksdb_writebatch_create()

    deinit { rocksdb_writebatch_destroy(handle) }

    func put(_ key: [UInt8], _ value: [UInt8]) {
        key.withCharacters { key, keyCount in
            value.withCharacters { rocksdb_writebatch_put(handle, key, keyCount, $0, $1) }
        }
    }

    func delete(_ key: [UInt8]) {
        key.withCharacters { rocksdb_writebatch_delete(handle, $0, $1) }
    }

    /// Deletes the keys from `start` up to, not including, `end`.
    func delete(from start: [UInt8], upTo end: [UInt8]) {
        start.withCharacters { start, startCount in
            end.withCharacters { rocksdb_writebatch_delete_range(handle, start, startCount, $0, $1) }
        }
    }
}
