// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Creates a file, or empties the one that is there. Foundation's own way puts another file in its place, whatever it is.
///
/// - Returns: Nil where that can't be; `errno` says why.
func newFile(_ path: String, permissions: mode_t = 0o644, readable: Bool = false) -> FileHandle? {
    let descriptor = open(path, (readable ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC | O_CLOEXEC, permissions)
    return descriptor < 0 ? nil : FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
}
