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
