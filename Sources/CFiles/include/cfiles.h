// SPDX-License-Identifier: Apache-2.0
/// Linux's calls on files that Swift's Glibc module doesn't show: they stand behind a feature macro. All of them set
/// errno as the calls under them do.
#pragma once

#include <stdint.h>
#include <sys/types.h>

/// Opens a file for reading past the page cache (O_DIRECT).
int cf_open_direct(const char *path);

/// Reads what the page cache has and waits for nothing: fewer bytes than asked for, or −1 with EAGAIN, where the next
/// byte isn't there.
ssize_t cf_read_cached(int file, void *bytes, size_t count, off_t offset);

/// Gives the blocks of a range back to the file system; the file's size stays and the range reads as zeros.
int cf_punch(int file, off_t offset, off_t count);

/// The bytes that a file takes on its file system, holes left out; −1 on error.
int64_t cf_allocated_bytes(int file);

/// What stands at a path: 1 for a folder of our own user, 0 for anything else, −1 for nothing or an error.
int cf_is_own_folder(const char *path);

/// Whether a folder lies in memory (tmpfs): 1 or 0, −1 on error.
int cf_is_in_memory(const char *path);
