// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// What tells whether a file is the one that was read before, without reading it.
struct FileStamp: Sendable, Hashable {
    var size: Int
    /// Nanoseconds since 1970.
    var modified: Int
    var inode: Int

    init(size: Int, modified: Int, inode: Int) {
        self.size = size
        self.modified = modified
        self.inode = inode
    }

    init(_ status: stat) {
        size = Int(status.st_size)
        modified = Int(status.st_mtim.tv_sec) * 1_000_000_000 + Int(status.st_mtim.tv_nsec)
        inode = Int(truncatingIfNeeded: status.st_ino)
    }
}

/// The files below some folders that are to be indexed.
struct FileTree {
    struct File: Sendable {
        var path: String
        var format: DocumentFormat
        var stamp: FileStamp
    }

    private struct Identity: Hashable {
        var device: UInt64
        var inode: UInt64

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }

    /// The files, each once, by their absolute paths.
    private(set) var files: [String: File] = [:]
    /// The given paths, absolute and free of links.
    private(set) var roots: [String] = []
    /// Files that are not indexed, and why.
    private(set) var skipped: [SyncReport.Skipped] = []
    /// Paths that could not be examined: of what was known of them and below them nothing can be said.
    private(set) var unreadable: [String] = []

    private var visited: Set<Identity> = []
    private let excluded: Set<Identity>

    /// Walks `paths`: files are taken as they are, folders with all that is below them.
    ///
    /// Hidden files and folders are left out, and each folder is entered once, whatever links lead to it.
    ///
    /// - Parameter excluded: Files and folders to leave out, wherever they turn up.
    /// - Throws: ``TesseraError`` of code `notFound` for a path that is not there.
    init(_ paths: [String], excluding excluded: [String]) throws(TesseraError) {
        self.excluded = Set(excluded.compactMap { Self.status(of: $0) }.map(Identity.init))
        for path in paths {
            guard let root = Self.absolute(path), let status = Self.status(of: root) else {
                throw TesseraError(
                    errno == EACCES ? .io : .notFound,
                    "\(path): \(Self.reason()); name a file or folder that can be read")
            }
            roots.append(root)
            if status.st_mode & S_IFMT == S_IFDIR {
                walk(root, status)
            } else {
                add(root, status, format: DocumentFormat(path: root) ?? .text)
            }
        }
    }

    /// The absolute path without links; nil, with `errno` set, where there is nothing.
    static func absolute(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private mutating func walk(_ root: String, _ status: stat) {
        var folders = [(root, status)]
        while let (folder, status) = folders.popLast() {
            let identity = Identity(status)
            guard !excluded.contains(identity), visited.insert(identity).inserted else { continue }
            guard let names = names(in: folder) else { continue }
            for name in names {
                let path = folder == "/" ? "/" + name : folder + "/" + name
                guard let status = Self.status(of: path) else {
                    if errno != ENOENT && errno != ELOOP { unreadable.append(path) }
                    if DocumentFormat(path: name) != nil { skip(path, Self.reason()) }
                    continue
                }
                if status.st_mode & S_IFMT == S_IFDIR {
                    folders.append((path, status))
                } else if let format = DocumentFormat(path: name) {
                    add(path, status, format: format)
                }
            }
        }
    }

    private mutating func add(_ path: String, _ status: stat, format: DocumentFormat) {
        guard status.st_mode & S_IFMT == S_IFREG else { return skip(path, "it is no regular file") }
        guard !excluded.contains(Identity(status)) else { return }
        files[path] = File(path: path, format: format, stamp: FileStamp(status))
    }

    /// The names in a folder, sorted; nil where it can't be read.
    private mutating func names(in folder: String) -> [String]? {
        guard let stream = opendir(folder) else {
            skip(folder, Self.reason())
            unreadable.append(folder)
            return nil
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name.first == UInt8(ascii: ".") { continue }
            if let name = String(validating: name, as: UTF8.self) {
                names.append(name)
            } else {
                skip(folder + "/" + String(decoding: name, as: UTF8.self), "its name is no UTF-8")
            }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private mutating func skip(_ path: String, _ reason: String) {
        skipped.append(.init(path: path, reason: reason))
    }

    private static func status(of path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    /// The last error of the operating system in words.
    static func reason() -> String {
        String(cString: strerror(errno))
    }
}
