// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// The folder of a store: what lies in it, who may use it, and how many bytes it takes.
struct StoreDirectory: Sendable {
    let path: String

    var database: String { path + "/rocksdb" }
    var layers: String { path + "/layers" }
    var catalog: String { path + "/catalog.sqlite" }
    var holder: String { path + "/holder" }
    private var version: String { path + "/VERSION" }

    private static let title = "tessera-store"
    private static let format = 2

    /// Creates the folder if it is missing and checks that it is a store of a format that this build knows.
    init(_ url: URL) throws(TesseraError) {
        path = url.standardizedFileURL.path(percentEncoded: false).trimmingSuffix("/")
        if !Self.exists(path) { try create() }
        var status = stat()
        guard stat(path, &status) == 0 else { throw failure("open") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw TesseraError(.invalidInput, "\(path) is a file and not a store; name a folder")
        }
        if Self.exists(version) { try checkVersion() } else { try start() }
        try makeFolders()
    }

    /// Bytes that the folder takes on disk: blocks handed out to its files.
    func byteCount() -> Int {
        Self.byteCount(path)
    }

    /// Bytes of all but the segments, which the store keeps count of.
    func byteCountWithoutSegments() -> Int {
        Self.byteCount(path, skipping: layers) + Self.ownByteCount(layers)
    }

    /// Bytes that the disk has left for us.
    func freeByteCount() -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return .max }
        return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }

    /// Makes the folders that a store has. On return they are on disk, names and all.
    private func makeFolders() throws(TesseraError) {
        var made = false
        for folder in [database, layers] where !Self.exists(folder) {
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw fileError("create", folder) }
            made = true
        }
        if made { try syncFolder(path) }
    }

    /// The error of a system call that has just failed on the folder.
    func failure(_ doing: String) -> TesseraError { fileError(doing, path) }

    private func create() throws(TesseraError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            if mkdir(path, 0o700) != 0 { throw failure("create") }
        }
    }

    /// Marks an empty folder as a store. The mark is written first of all and in one step, so that a creation that
    /// was cut short leaves either an empty folder or a store.
    private func start() throws(TesseraError) {
        let unfinished = version + ".new"
        let contents: [String]
        do { contents = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
            throw TesseraError(.io, "couldn't read \(path): \(error.localizedDescription)")
        }
        guard contents.allSatisfy({ unfinished.hasSuffix("/" + $0) }) else {
            throw TesseraError(
                .invalidInput, "\(path) holds files and is not a Tessera store; name an empty or a new folder")
        }
        let file = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("create a store in") }
        defer { close(file) }
        let text = Array("\(Self.title) \(Self.format)\n".utf8)
        guard write(file, text, text.count) == text.count, fsync(file) == 0, rename(unfinished, version) == 0 else {
            throw failure("create a store in")
        }
        try syncFolder(path)
        try syncFolder((path as NSString).deletingLastPathComponent)
    }

    private func checkVersion() throws(TesseraError) {
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: version)) } catch {
            throw TesseraError(.io, "couldn't read \(version): \(error.localizedDescription)")
        }
        let text = String(decoding: data, as: UTF8.self)
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, words[0] == Self.title, let format = Int(words[1]) else {
            throw TesseraError(.invalidInput, "\(path) is not a Tessera store: its VERSION file says something else")
        }
        guard format <= Self.format else { throw StoreState.newer }
        guard format == Self.format else {
            throw TesseraError(
                .unsupported,
                "\(path) is a store of format \(format), which this Tessera no longer reads; delete it and warm it again"
            )
        }
    }

    private static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    private static func byteCount(_ path: String, skipping skipped: String? = nil) -> Int {
        if path == skipped { return 0 }
        var status = stat()
        guard lstat(path, &status) == 0 else { return 0 }
        let own = Int(status.st_blocks) * 512
        guard status.st_mode & S_IFMT == S_IFDIR else { return own }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.reduce(own) { $0 + byteCount("\(path)/\($1)", skipping: skipped) }
    }

    private static func ownByteCount(_ path: String) -> Int {
        var status = stat()
        return lstat(path, &status) == 0 ? Int(status.st_blocks) * 512 : 0
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: Character) -> String {
        count > 1 && last == suffix ? String(dropLast()) : self
    }
}
