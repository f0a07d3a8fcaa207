// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/// The number of a watched folder that a path lies in; -1 for none.
int watched_path(const char *path);
/// The number of a watched folder that an open file lies in; -1 for none.
int watched_file(int file);
/// Takes a file down that has been opened, or forgets one that is closed (`folder` -1).
void watch_file(int file, int folder);

/// What becomes of an operation.
typedef struct {
    /// The error that it fails with; 0 for none.
    int error;
    /// A write is to be cut short.
    bool half;
    /// The process ends when it is done.
    bool kill;
} verdict;

verdict judge(int folder, unsigned kind);
/// Ends the process if the verdict says so; call it when the operation is done.
void carry_out(verdict verdict);

/// Lets this thread's operations pass uncounted: the tracker's own.
void pass(bool passes);

/// The tracker's part: a file was synced, or a folder, and a file came into being.
void track_sync(int file);
void track_created(int file, const char *path);
/// A folder is watched no more.
void track_end(const char *folder);
