// SPDX-License-Identifier: Apache-2.0
/// What RocksDB's C interface lacks: a logger that writes nothing, and the version.
///
/// RocksDB otherwise keeps a file of its own doings, and Debian's build of it, which has assertions, ends the process at
/// the first line after one that couldn't be written, as on a full disk.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// Gives options a logger that writes nothing; `options` is a rocksdb_options_t.
void cr_be_quiet(void *options);

/// The version of the library that is linked, as three numbers.
void cr_version(int numbers[3]);

#ifdef __cplusplus
}
#endif
