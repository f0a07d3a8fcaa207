// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "csockets.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int csockets_peer_uid(int descriptor, uid_t *uid) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
    *uid = credentials.uid;
    return 0;
}

int csockets_is_own_socket(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0) return -1;
    return S_ISSOCK(status.st_mode) && status.st_uid == geteuid();
}

int csockets_is_open_folder(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return -1;
    if (status.st_uid != geteuid() && status.st_uid != 0) return 1;
    return (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0;
}

uint64_t csockets_inode_of(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

uint64_t csockets_inode(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}
