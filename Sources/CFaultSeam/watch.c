// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "watch.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "cfaultseam.h"

enum { MOST_FOLDERS = 64, MOST_FILES = 65536 };

static struct folder {
    char path[PATH_MAX];
    size_t length;
    int action;
    unsigned kinds;
    long nth;
    int error;
    long count;
    bool fired;
} folders[MOST_FOLDERS];

static __thread bool passing;

void pass(bool passes) { passing = passes; }

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int watched;
/// One more than the number of the folder; 0 for none.
static _Atomic signed char files[MOST_FILES];

static struct folder *find(const char *path) {
    for (int i = 0; i < MOST_FOLDERS; i++)
        if (folders[i].length && strcmp(folders[i].path, path) == 0) return &folders[i];
    return NULL;
}

bool fs_watch(const char *path) {
    bool done = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST_FOLDERS && !done; i++) {
        if (folders[i].length) continue;
        folders[i] = (struct folder){.length = strlen(path)};
        strncpy(folders[i].path, path, PATH_MAX - 1);
        watched++;
        done = true;
    }
    pthread_mutex_unlock(&lock);
    return done;
}

void fs_unwatch(const char *path) {
    track_end(path);
    pthread_mutex_lock(&lock);
    struct folder *folder = find(path);
    if (folder) {
        for (int i = 0; i < MOST_FILES; i++)
            if (files[i] == folder - folders + 1) files[i] = 0;
        folder->length = 0;
        watched--;
    }
    pthread_mutex_unlock(&lock);
}

void fs_plan(const char *path, int action, unsigned kinds, long nth, int error) {
    pthread_mutex_lock(&lock);
    struct folder *folder = find(path);
    if (folder) {
        folder->action = action;
        folder->kinds = kinds;
        folder->nth = nth;
        folder->error = error;
        folder->count = 0;
        folder->fired = false;
    }
    pthread_mutex_unlock(&lock);
}

long fs_count(const char *path) {
    pthread_mutex_lock(&lock);
    struct folder *folder = find(path);
    long count = folder ? folder->count : 0;
    pthread_mutex_unlock(&lock);
    return count;
}

bool fs_fired(const char *path) {
    pthread_mutex_lock(&lock);
    struct folder *folder = find(path);
    bool fired = folder && folder->fired;
    pthread_mutex_unlock(&lock);
    return fired;
}

int watched_path(const char *path) {
    if (!watched || passing || !path) return -1;
    int found = -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST_FOLDERS && found < 0; i++) {
        size_t length = folders[i].length;
        if (length && strncmp(folders[i].path, path, length) == 0 && (path[length] == '/' || !path[length])) found = i;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

int watched_file(int file) {
    if (!watched || passing || file < 0 || file >= MOST_FILES) return -1;
    return files[file] - 1;
}

void watch_file(int file, int folder) {
    if (file >= 0 && file < MOST_FILES) files[file] = (signed char)(folder + 1);
}

verdict judge(int number, unsigned kind) {
    verdict verdict = {0};
    if (number < 0) return verdict;
    pthread_mutex_lock(&lock);
    struct folder *folder = &folders[number];
    if (folder->length && (folder->kinds & kind)) {
        long count = ++folder->count;
        bool now = count == folder->nth;
        if (now) folder->fired = true;
        switch (folder->action) {
            case FS_FAIL_ONCE: verdict.error = now ? folder->error : 0; break;
            case FS_FAIL_ON: verdict.error = folder->nth && count >= folder->nth ? folder->error : 0; break;
            case FS_KILL_BEFORE:
                if (now) kill(getpid(), SIGKILL);
                break;
            case FS_KILL_AFTER: verdict.kill = now; break;
            case FS_SHORT: verdict.half = now && kind == FS_WRITE; break;
            default: break;
        }
    }
    pthread_mutex_unlock(&lock);
    return verdict;
}

void carry_out(verdict verdict) {
    if (verdict.kill) kill(getpid(), SIGKILL);
}
