// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB
internal import CRocksQuiet

/// The options of the database, owned together.
final class RocksOptions {
    let handle: OpaquePointer
    private let table: OpaquePointer
    private let cache: OpaquePointer

    /// RocksDB's number for blocks that are searched by a hash of the key.
    private static let hashed: Int32 = 1
    /// RocksDB's number for the XXH3 block checksum.
    private static let xxh3: CChar = 4

    /// - Parameter writeBuffer: Bytes of records that are kept in memory, and in the log, before they become a table.
    init(writeBuffer: Int, blockCache: Int) {
        cache = rocksdb_cache_create_lru(blockCache)

        table = rocksdb_block_based_options_create()
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_checksum(table, Self.xxh3)
        rocksdb_block_based_options_set_format_version(table, 5)
        // Keys are digests, asked for one by one.
        rocksdb_block_based_options_set_data_block_index_type(table, Self.hashed)
        rocksdb_block_based_options_set_data_block_hash_ratio(table, 0.75)
        rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10))

        handle = rocksdb_options_create()
        rocksdb_options_set_block_based_table_factory(handle, table)
        rocksdb_options_set_write_buffer_size(handle, writeBuffer)
        // Else it is an eighth of the write buffer at first, which a lower one later may not be able to hold.
        rocksdb_options_set_arena_block_size(handle, 8 << 10)
        rocksdb_options_set_max_write_buffer_number(handle, 2)
        rocksdb_options_set_max_manifest_file_size(handle, 16 << 20)
        rocksdb_options_set_manifest_preallocation_size(handle, 64 << 10)
        rocksdb_options_set_max_open_files(handle, 512)
        rocksdb_options_set_advise_random_on_open(handle, 0)
        cr_be_quiet(UnsafeMutableRawPointer(handle))
        rocksdb_options_set_stats_dump_period_sec(handle, 0)
        rocksdb_options_set_stats_persist_period_sec(handle, 0)
        rocksdb_options_set_compression(handle, Int32(rocksdb_no_compression))
    }

    deinit {
        rocksdb_options_destroy(handle)
        rocksdb_block_based_options_destroy(table)
        rocksdb_cache_destroy(cache)
    }
}
