// SPDX-License-Identifier: Apache-2.0
// What Swift does not see of sockets: structures that its C library hides, or that two of its modules claim.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// The user that the process at the other end of a connected Unix socket ran as when it connected (SO_PEERCRED).
// Returns 0, or -1 with errno.
int csockets_peer_uid(int descriptor, uid_t *uid);

// What stands at a path: 1 for a socket of our own user, 0 for anything else, -1 for nothing or an error (errno).
int csockets_is_own_socket(const char *path);

// Whether users other than we and root may remove and rename what we have in a folder: 1 or 0, -1 for nothing or an error (errno).
int csockets_is_open_folder(const char *path);

// The inode of an open file; 0 for an error.
uint64_t csockets_inode_of(int descriptor);

// The inode of what stands at a path; 0 for nothing.
uint64_t csockets_inode(const char *path);
