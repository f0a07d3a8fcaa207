// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Whether this process may mount file systems, found by trying.
let canMount: Bool = {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-mount-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try withSmallDisk(at: folder, megabytes: 1) {}
        return true
    } catch { return false }
}()

/// Runs `body` while a small file system of its own lies over a folder.
func withSmallDisk(at folder: URL, megabytes: Int, _ body: () throws -> Void) throws {
    try run("mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", folder.path)
    defer { try? run("umount", "-l", folder.path) }
    try body()
}

/// Mounts the file system over a folder anew with other options.
func remount(_ folder: URL, _ options: String) throws {
    try run("mount", "-o", "remount,\(options)", folder.path)
}

private func run(_ command: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
}
