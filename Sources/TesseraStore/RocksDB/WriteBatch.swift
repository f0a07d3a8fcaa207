// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB
internal import TesseraKV

/// Writes to the small records that take effect together or not at all.
final class WriteBatch {
    let handle: OpaquePointer = rocksdb_writebatch_create()
    /// Why a value couldn't be sealed; such a batch is not written.
    private(set) var failure: TesseraError?
    private let cipher: StoreCipher?

    /// - Parameter cipher: What seals the values of an encrypted store.
    init(_ cipher: StoreCipher? = nil) {
        self.cipher = cipher
    }

    deinit { rocksdb_writebatch_destroy(handle) }

    func put(_ key: [UInt8], _ value: [UInt8]) {
        var value = value
        if let cipher, StoreKey.isSealed(key) {
            do throws(TesseraError) {
                value = try value.withBytes { (bytes) throws(TesseraError) in try cipher.sealed(bytes, of: key) }
            } catch {
                failure = error
            }
        }
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
