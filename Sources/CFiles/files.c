// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cfiles.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

int cf_open_direct(const char *path) { return open(path, O_RDONLY | O_CLOEXEC | O_DIRECT); }

ssize_t cf_read_cached(int file, void *bytes, size_t count, off_t offset) {
    struct iovec place = {bytes, count};
    return preadv2(file, &place, 1, offset, RWF_NOWAIT);
}

int cf_punch(int file, off_t offset, off_t count) {
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count);
}

int64_t cf_allocated_bytes(int file) {
    struct stat status;
    return fstat(file, &status) == 0 ? (int64_t)status.st_blocks * 512 : -1;
}

int cf_is_own_folder(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0) return -1;
    return S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

int cf_is_in_memory(const char *path) {
    struct statfs status;
    if (statfs(path, &status) != 0) return -1;
    return status.f_type == TMPFS_MAGIC;
}
