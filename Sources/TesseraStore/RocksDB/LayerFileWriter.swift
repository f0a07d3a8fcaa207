// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB
internal import TesseraKV

/// Writes layer records into a table file of their own, which RocksDB then takes in whole.
final class LayerFileWriter {
    private let handle: OpaquePointer
    private let environment: OpaquePointer
    private let path: String

    /// Creates the file; keys must then come in ascending order.
    init(path: String, options: RocksOptions) throws(TesseraError) {
        self.path = path
        environment = rocksdb_envoptions_create()
        handle = rocksdb_sstfilewriter_create(environment, options.layers)
        let writer = handle
        try checked(path, "create a staging file") { rocksdb_sstfilewriter_open(writer, path, $0) }
    }

    deinit {
        rocksdb_sstfilewriter_destroy(handle)
        rocksdb_envoptions_destroy(environment)
    }

    func put(_ key: [UInt8], _ value: UnsafeRawBufferPointer) throws(TesseraError) {
        try checked(path, "write layers") { error in
            key.withCharacters { rocksdb_sstfilewriter_put(handle, $0, $1, value.characters, value.count, error) }
        }
    }

    /// Writes the file's index and closes it.
    ///
    /// - Returns: The file's size in bytes.
    func finish() throws(TesseraError) -> Int {
        try checked(path, "finish a staging file") { rocksdb_sstfilewriter_finish(handle, $0) }
        var size: UInt64 = 0
        rocksdb_sstfilewriter_file_size(handle, &size)
        return Int(size)
    }
}
