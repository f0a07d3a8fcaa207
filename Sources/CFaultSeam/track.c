// SPDX-License-Identifier: Apache-2.0
// What a power cut would leave, kept beside the folder while it is worked on. `bytes/N` has what was synced of the file
// that came into being as the Nth, `names/N` the synced entries of the folder N: kind, number and name, one to a line. Each
// is replaced in one step, so that a process which is killed leaves a state that a power cut could have left.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cfaultseam.h"
#include "watch.h"

enum { MOST_INODES = 1 << 16 };

static struct {
    bool on;
    char folder[PATH_MAX];
    char shadow[PATH_MAX];
    long next;
    size_t count;
    struct {
        ino_t inode;
        long number;
    } known[MOST_INODES];
} tracker;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/// The number of a file or folder, a new one where there is none or `fresh` says that its inode is used anew.
static long number_of(ino_t inode, bool fresh) {
    size_t place = 0;
    while (place < tracker.count && tracker.known[place].inode != inode) place++;
    if (place == tracker.count) {
        if (tracker.count == MOST_INODES) abort();
        tracker.known[tracker.count++].inode = inode;
        fresh = true;
    }
    if (fresh) tracker.known[place].number = ++tracker.next;
    return tracker.known[place].number;
}

static bool copy(const char *from, const char *to) {
    char temporary[PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.new", to);
    int in = open(from, O_RDONLY), out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool good = in >= 0 && out >= 0;
    static char buffer[1 << 16];
    off_t size = 0;
    while (good) {
        ssize_t count = read(in, buffer, sizeof buffer);
        if (count <= 0) break;
        // Zeros stay a hole: logs and databases are allocated ahead.
        bool empty = buffer[0] == 0 && memcmp(buffer, buffer + 1, (size_t)count - 1) == 0;
        good = empty || pwrite(out, buffer, (size_t)count, size) == count;
        size += count;
    }
    if (good) good = ftruncate(out, size) == 0;
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    return good && rename(temporary, to) == 0;
}

static void keep_bytes(const char *path, ino_t inode) {
    char to[PATH_MAX + 32];
    snprintf(to, sizeof to, "%s/bytes/%ld", tracker.shadow, number_of(inode, false));
    if (!copy(path, to)) abort();
}

static void keep_names(const char *path, ino_t inode) {
    char to[PATH_MAX + 32], temporary[PATH_MAX + 40], entry[PATH_MAX * 2];
    snprintf(to, sizeof to, "%s/names/%ld", tracker.shadow, number_of(inode, false));
    snprintf(temporary, sizeof temporary, "%s.new", to);
    FILE *out = fopen(temporary, "w");
    DIR *folder = opendir(path);
    if (!out || !folder) abort();
    for (struct dirent *each; (each = readdir(folder));) {
        if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0) continue;
        struct stat status;
        snprintf(entry, sizeof entry, "%s/%s", path, each->d_name);
        if (lstat(entry, &status) != 0) continue;
        fprintf(out, "%c %ld %s\n", S_ISDIR(status.st_mode) ? 'd' : 'f', number_of(status.st_ino, false), each->d_name);
    }
    closedir(folder);
    if (fclose(out) != 0 || rename(temporary, to) != 0) abort();
}

static void keep(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return;
    if (S_ISDIR(status.st_mode)) keep_names(path, status.st_ino);
    else keep_bytes(path, status.st_ino);
}

static bool is_tracked(const char *path) {
    size_t length = strlen(tracker.folder);
    return strncmp(path, tracker.folder, length) == 0 && (path[length] == '/' || !path[length]);
}

void track_sync(int file) {
    if (!tracker.on) return;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    pthread_mutex_lock(&lock);
    pass(true);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count > 0) {
        path[count] = 0;
        if (is_tracked(path)) keep(path);
    }
    pass(false);
    pthread_mutex_unlock(&lock);
}

void track_created(int file, const char *path) {
    struct stat status;
    if (!tracker.on || !is_tracked(path)) return;
    pthread_mutex_lock(&lock);
    if (fstat(file, &status) == 0) number_of(status.st_ino, true);
    pthread_mutex_unlock(&lock);
}

void track_end(const char *folder) {
    pthread_mutex_lock(&lock);
    if (tracker.on && strcmp(folder, tracker.folder) == 0) tracker.on = false;
    pthread_mutex_unlock(&lock);
}

static void keep_all(const char *path) {
    keep(path);
    DIR *folder = opendir(path);
    if (!folder) return;
    char entry[PATH_MAX * 2];
    for (struct dirent *each; (each = readdir(folder));) {
        if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0) continue;
        snprintf(entry, sizeof entry, "%s/%s", path, each->d_name);
        keep_all(entry);
    }
    closedir(folder);
}

bool fs_track(const char *folder, const char *shadow) {
    char path[PATH_MAX + 16];
    pthread_mutex_lock(&lock);
    pass(true);
    tracker.on = true;
    tracker.count = 0;
    tracker.next = 0;
    strncpy(tracker.folder, folder, PATH_MAX - 1);
    strncpy(tracker.shadow, shadow, PATH_MAX - 1);
    bool good = mkdir(shadow, 0700) == 0;
    for (int i = 0; i < 2 && good; i++) {
        snprintf(path, sizeof path, "%s/%s", shadow, i ? "names" : "bytes");
        good = mkdir(path, 0700) == 0;
    }
    // The folder itself is the first: restoring begins with it.
    if (good) keep_all(folder);
    pass(false);
    pthread_mutex_unlock(&lock);
    return good;
}

static bool restore(const char *shadow, long number, const char *target) {
    char path[PATH_MAX + 64], kind, name[NAME_MAX + 1], to[PATH_MAX * 2];
    if (mkdir(target, 0700) != 0) return false;
    snprintf(path, sizeof path, "%s/names/%ld", shadow, number);
    FILE *names = fopen(path, "r");
    if (!names) return true;
    bool good = true;
    for (long entry; good && fscanf(names, "%c %ld %255[^\n]\n", &kind, &entry, name) == 3;) {
        snprintf(to, sizeof to, "%s/%s", target, name);
        if (kind == 'd') {
            good = restore(shadow, entry, to);
        } else {
            snprintf(path, sizeof path, "%s/bytes/%ld", shadow, entry);
            // A name that was synced, of a file that never was.
            good = copy(access(path, F_OK) == 0 ? path : "/dev/null", to);
        }
    }
    fclose(names);
    return good;
}

bool fs_restore(const char *shadow, const char *target) { return restore(shadow, 1, target); }
