// SPDX-License-Identifier: Apache-2.0
/// Makes file operations fail, or the process die, at a chosen moment, and keeps what of a folder a power cut would leave.
///
/// The program that links this defines open, write, fdatasync and their like itself and passes them on to the C library,
/// so that it also sees what RocksDB and SQLite do. Only operations beneath folders that are watched count; others pass
/// through. It is for tests and the stress program, and is in no product.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// Kinds of operations, to be combined.
enum {
    FS_OPEN = 1,
    FS_READ = 2,
    FS_WRITE = 4,
    FS_SYNC = 8,
    FS_RENAME = 16,
    FS_UNLINK = 32,
    FS_MAP = 64,
    FS_TRUNCATE = 128,
    FS_FOLDER = 256,
    FS_ALL = 511,
};

/// What shall happen to a counted operation.
enum {
    /// Nothing: operations are counted.
    FS_COUNT = 0,
    /// The one operation fails.
    FS_FAIL_ONCE = 1,
    /// It and all after it fail.
    FS_FAIL_ON = 2,
    /// The process is killed before it.
    FS_KILL_BEFORE = 3,
    /// The process is killed after it.
    FS_KILL_AFTER = 4,
    /// A write writes half of what it should; other kinds pass.
    FS_SHORT = 5,
};

/// Begins to watch a folder, named by its absolute path; false when too many are watched.
bool fs_watch(const char *folder);

/// Ends it. Files of the folder that are still open pass through from then on.
void fs_unwatch(const char *folder);

/// Sets what happens to the operation of some kinds that is the `nth` from now on, counted from 1.
void fs_plan(const char *folder, int action, unsigned kinds, long nth, int error);

/// Operations since the plan was set.
long fs_count(const char *folder);

/// Whether the plan's operation has come.
bool fs_fired(const char *folder);

/// Keeps, in another folder, what would be left of a watched one if the power went now: of each file what was synced, of
/// each folder the names that were synced. What is there already counts as synced. One folder at a time.
bool fs_track(const char *folder, const char *shadow);

/// Makes of such a folder, whose process may have been killed, the folder that the power cut would have left.
bool fs_restore(const char *shadow, const char *target);
