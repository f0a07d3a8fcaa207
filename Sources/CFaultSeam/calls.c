// SPDX-License-Identifier: Apache-2.0
// The C library's calls on files, as RocksDB, SQLite, Foundation and we make them. Each is counted, may fail, and is
// passed on.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cfaultseam.h"
#include "watch.h"

/// The C library's own function of the name that is being defined.
#define NEXT(name, type)                 \
    static __typeof__(type) *next;       \
    if (!next) next = (__typeof__(type) *)dlsym(RTLD_NEXT, name)

/// Fails with `failed` if the folder's plan says so.
#define JUDGE(folder, kind, failed)                \
    verdict verdict = judge((folder), (kind));     \
    if (verdict.error) {                           \
        errno = verdict.error;                     \
        return failed;                             \
    }

typedef int open_call(const char *, int, ...);

static int open_watched(open_call *next, const char *path, int flags, mode_t mode) {
    int folder = watched_path(path);
    JUDGE(folder, FS_OPEN, -1)
    bool creates = folder >= 0 && (flags & O_CREAT) && access(path, F_OK) != 0;
    int file = next(path, flags, mode);
    if (file >= 0 && folder >= 0) {
        watch_file(file, folder);
        if (creates) track_created(file, path);
    }
    carry_out(verdict);
    return file;
}

static mode_t mode_of(int flags, va_list list) { return flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0; }

#define OPENING(name)                                     \
    int name(const char *path, int flags, ...) {          \
        NEXT(#name, open_call);                           \
        va_list list;                                     \
        va_start(list, flags);                            \
        mode_t mode = mode_of(flags, list);               \
        va_end(list);                                     \
        return open_watched(next, path, flags, mode);     \
    }

OPENING(open)
OPENING(open64)

FILE *fopen(const char *path, const char *mode) {
    NEXT("fopen", FILE * (const char *, const char *));
    int folder = watched_path(path);
    JUDGE(folder, FS_OPEN, NULL)
    bool creates = folder >= 0 && mode[0] != 'r' && access(path, F_OK) != 0;
    FILE *stream = next(path, mode);
    if (stream && folder >= 0) {
        watch_file(fileno(stream), folder);
        if (creates) track_created(fileno(stream), path);
    }
    carry_out(verdict);
    return stream;
}

int close(int file) {
    NEXT("close", int(int));
    if (watched_file(file) >= 0) watch_file(file, -1);
    return next(file);
}

int fclose(FILE *stream) {
    NEXT("fclose", int(FILE *));
    if (watched_file(fileno(stream)) >= 0) watch_file(fileno(stream), -1);
    return next(stream);
}

// The header has it as a macro too.
#undef fread_unlocked
size_t fread_unlocked(void *bytes, size_t size, size_t count, FILE *stream) {
    NEXT("fread_unlocked", size_t(void *, size_t, size_t, FILE *));
    verdict verdict = judge(watched_file(fileno(stream)), FS_READ);
    if (verdict.error) {
        // The one way to make ferror true from outside: a read that the stream must pass on to a file that refuses it.
        errno = verdict.error;
        stream->_flags |= 0x20;
        return 0;
    }
    size_t done = next(bytes, size, count, stream);
    carry_out(verdict);
    return done;
}

#define READING(name, arguments, ...)                 \
    ssize_t name arguments {                          \
        NEXT(#name, ssize_t arguments);               \
        JUDGE(watched_file(file), FS_READ, -1)        \
        ssize_t done = next(__VA_ARGS__);             \
        carry_out(verdict);                           \
        return done;                                  \
    }

READING(read, (int file, void *bytes, size_t count), file, bytes, count)
READING(pread, (int file, void *bytes, size_t count, off_t offset), file, bytes, count, offset)
READING(pread64, (int file, void *bytes, size_t count, off64_t offset), file, bytes, count, offset)
READING(preadv2, (int file, const struct iovec *parts, int count, off_t offset, int flags), file, parts, count, offset,
        flags)

#define WRITING(name, arguments, ...)                                   \
    ssize_t name arguments {                                            \
        NEXT(#name, ssize_t arguments);                                 \
        JUDGE(watched_file(file), FS_WRITE, -1)                         \
        if (verdict.half && count > 1) count /= 2;                      \
        ssize_t done = next(__VA_ARGS__);                               \
        carry_out(verdict);                                             \
        return done;                                                    \
    }

WRITING(write, (int file, const void *bytes, size_t count), file, bytes, count)
WRITING(pwrite, (int file, const void *bytes, size_t count, off_t offset), file, bytes, count, offset)
WRITING(pwrite64, (int file, const void *bytes, size_t count, off64_t offset), file, bytes, count, offset)

#define ON_FILE(name, kind, arguments, ...)      \
    int name arguments {                         \
        NEXT(#name, int arguments);              \
        JUDGE(watched_file(file), kind, -1)      \
        int result = next(__VA_ARGS__);          \
        carry_out(verdict);                      \
        return result;                           \
    }

ON_FILE(ftruncate, FS_TRUNCATE, (int file, off_t size), file, size)
ON_FILE(ftruncate64, FS_TRUNCATE, (int file, off64_t size), file, size)
ON_FILE(fallocate, FS_TRUNCATE, (int file, int mode, off_t offset, off_t count), file, mode, offset, count)

int posix_fallocate(int file, off_t offset, off_t count) {
    NEXT("posix_fallocate", int(int, off_t, off_t));
    verdict verdict = judge(watched_file(file), FS_TRUNCATE);
    if (verdict.error) return verdict.error;
    int result = next(file, offset, count);
    carry_out(verdict);
    return result;
}

#define SYNCING(name)                                                  \
    int name(int file) {                                               \
        NEXT(#name, int(int));                                         \
        JUDGE(watched_file(file), FS_SYNC, -1)                         \
        int result = next(file);                                       \
        if (result == 0 && watched_file(file) >= 0) track_sync(file);  \
        carry_out(verdict);                                            \
        return result;                                                 \
    }

SYNCING(fsync)
SYNCING(fdatasync)

#define ON_PATH(name, kind, arguments, path, ...)  \
    int name arguments {                           \
        NEXT(#name, int arguments);                \
        JUDGE(watched_path(path), kind, -1)        \
        int result = next(__VA_ARGS__);            \
        carry_out(verdict);                        \
        return result;                             \
    }

ON_PATH(rename, FS_RENAME, (const char *from, const char *to), to, from, to)
ON_PATH(link, FS_RENAME, (const char *from, const char *to), to, from, to)
ON_PATH(unlink, FS_UNLINK, (const char *path), path, path)
ON_PATH(rmdir, FS_UNLINK, (const char *path), path, path)
ON_PATH(mkdir, FS_FOLDER, (const char *path, mode_t mode), path, path, mode)

#define MAPPING(name, offset_type)                                                                \
    void *name(void *place, size_t count, int protection, int flags, int file, offset_type offset) { \
        NEXT(#name, void *(void *, size_t, int, int, int, offset_type));                          \
        JUDGE(flags & MAP_ANONYMOUS ? -1 : watched_file(file), FS_MAP, MAP_FAILED)                \
        void *result = next(place, count, protection, flags, file, offset);                       \
        carry_out(verdict);                                                                       \
        return result;                                                                            \
    }

MAPPING(mmap, off_t)
MAPPING(mmap64, off64_t)
