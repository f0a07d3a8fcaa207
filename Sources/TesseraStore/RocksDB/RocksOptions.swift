// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB

/// The options of the database and of its two column families, owned together.
///
/// What they say and why stands in ``ChunkStore``'s account of the layout.
final class RocksOptions {
    /// Database-wide options, also those of the small records.
    let records: OpaquePointer
    /// Options of the layer records.
    let layers: OpaquePointer
    private let recordTable: OpaquePointer
    private let layerTable: OpaquePointer
    private let cache: OpaquePointer

    /// RocksDB's number for the XXH3 block checksum.
    private static let xxh3: CChar = 4

    init() {
        cache = rocksdb_cache_create_lru(8 << 20)

        recordTable = rocksdb_block_based_options_create()
        rocksdb_block_based_options_set_block_cache(recordTable, cache)
        rocksdb_block_based_options_set_checksum(recordTable, Self.xxh3)
        rocksdb_block_based_options_set_format_version(recordTable, 5)
        rocksdb_block_based_options_set_filter_policy(recordTable, rocksdb_filterpolicy_create_bloom_full(10))

        layerTable = rocksdb_block_based_options_create()
        rocksdb_block_based_options_set_no_block_cache(layerTable, 1)
        rocksdb_block_based_options_set_checksum(layerTable, Self.xxh3)
        rocksdb_block_based_options_set_format_version(layerTable, 5)
        rocksdb_block_based_options_set_block_size(layerTable, 16 << 10)

        records = rocksdb_options_create()
        rocksdb_options_set_create_if_missing(records, 1)
        rocksdb_options_set_create_missing_column_families(records, 1)
        rocksdb_options_set_block_based_table_factory(records, recordTable)
        rocksdb_options_set_write_buffer_size(records, 8 << 20)
        rocksdb_options_set_max_write_buffer_number(records, 2)
        rocksdb_options_set_max_total_wal_size(records, 32 << 20)
        rocksdb_options_set_max_manifest_file_size(records, 16 << 20)
        rocksdb_options_set_manifest_preallocation_size(records, 64 << 10)
        rocksdb_options_set_max_open_files(records, 512)
        rocksdb_options_set_allow_mmap_reads(records, 1)
        rocksdb_options_set_advise_random_on_open(records, 0)
        rocksdb_options_set_info_log_level(records, 3)
        rocksdb_options_set_max_log_file_size(records, 1 << 20)
        rocksdb_options_set_keep_log_file_num(records, 1)
        rocksdb_options_set_stats_dump_period_sec(records, 0)
        rocksdb_options_set_stats_persist_period_sec(records, 0)
        rocksdb_options_set_compression(records, Int32(rocksdb_no_compression))

        layers = rocksdb_options_create_copy(records)
        rocksdb_options_set_block_based_table_factory(layers, layerTable)
        rocksdb_options_set_disable_auto_compactions(layers, 1)
    }

    deinit {
        rocksdb_options_destroy(layers)
        rocksdb_options_destroy(records)
        rocksdb_block_based_options_destroy(layerTable)
        rocksdb_block_based_options_destroy(recordTable)
        rocksdb_cache_destroy(cache)
    }
}
