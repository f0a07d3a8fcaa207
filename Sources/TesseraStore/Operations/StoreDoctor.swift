// SPDX-License-Identifier: Apache-2.0

internal import CFiles
internal import CRocksQuiet
internal import CXXHash
package import Foundation
internal import GRDB
package import TesseraKV

/// One thing that was looked at, and how it is.
package struct Finding: Sendable, Codable, Equatable {
    /// How it is.
    package enum Level: String, Sendable, Codable {
        /// As it should be.
        case ok
        /// It works, and could do better.
        case warning
        /// It doesn't work.
        case problem
    }

    /// What was looked at.
    package var name: String
    /// How it is.
    package var level: Level
    /// What was found, and for anything but `ok` the way out.
    package var text: String

    /// Notes a finding.
    package init(_ name: String, _ level: Level, _ text: String) {
        (self.name, self.level, self.text) = (name, level, text)
    }
}

/// Looks at what a store needs: libraries, the disk, limits and rights.
package enum StoreDoctor {
    /// The libraries that stores are built on.
    package static func libraries() -> [Finding] {
        var rocks: [Int32] = [0, 0, 0]
        cr_version(&rocks)
        let sqlite = (try? DatabaseQueue().read { try String.fetchOne($0, sql: "SELECT sqlite_version()") }) ?? "?"
        let hash = Int(XXH_versionNumber())
        return [
            Finding("RocksDB", .ok, rocks.map(String.init).joined(separator: ".")), Finding("SQLite", .ok, sqlite),
            Finding("xxHash", .ok, "\(hash / 10000).\(hash / 100 % 100).\(hash % 100)"),
        ]
    }

    /// The folder of a store, or the one that it would be made in, and the disk under it.
    package static func disk(_ store: URL) -> [Finding] {
        var place = store.standardizedFileURL
        while !FileManager.default.fileExists(atPath: place.path), place.path != "/" { place.deleteLastPathComponent() }
        var findings: [Finding] = []
        var status = statvfs()
        if statvfs(place.path, &status) == 0 {
            let free = Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
            let isShort = free < StoreOptions().freeDiskFloor
            findings.append(
                Finding(
                    "free disk", isShort ? .problem : .ok,
                    megabytes(free) + (isShort ? ": nothing can be stored; free some space" : "")))
        }
        guard access(place.path, W_OK) == 0 else {
            return findings + [
                Finding("permission", .problem, "\(place.path) can't be written; use another folder or user")
            ]
        }
        findings.append(Finding("permission", .ok, "\(place.path) can be written"))
        return findings + features(of: place)
    }

    /// What the file system of a folder can do.
    private static func features(of folder: URL) -> [Finding] {
        let path = folder.appendingPathComponent(".tessera-doctor-\(getpid())").path
        let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return [Finding("file system", .problem, fileError("create", path).message)] }
        defer {
            close(file)
            unlink(path)
        }
        let bytes = [UInt8](repeating: 1, count: 8192)
        guard write(file, bytes, bytes.count) == bytes.count, fdatasync(file) == 0 else {
            return [Finding("file system", .problem, fileError("write", path).message)]
        }
        let punches = cf_punch(file, 0, 4096) == 0
        let direct = cf_open_direct(path)
        if direct >= 0 { close(direct) }
        return [
            Finding(
                "holes", punches ? .ok : .warning,
                punches
                    ? "blocks of removed chunks are given back at once"
                    : "this file system can't give back blocks of removed chunks one by one; ext4, xfs and btrfs can"),
            Finding(
                "direct reads", direct >= 0 ? .ok : .warning,
                direct >= 0 ? "cold chunks are read past the page cache" : "cold chunks go through the page cache here"),
        ]
    }

    /// What the process may use.
    package static func limits() -> [Finding] {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return [] }
        let isLow = limit.rlim_cur < 1024
        return [
            Finding(
                "open files", isLow ? .warning : .ok,
                "\(limit.rlim_cur)" + (isLow ? ": a large store wants 1024; raise it with ulimit -n" : ""))
        ]
    }

    /// A store that is there: whether it can be opened, and what it holds.
    package static func store(
        _ directory: URL, options: StoreOptions, fingerprint: Fingerprint?
    ) -> [Finding] {
        guard FileManager.default.fileExists(atPath: directory.appendingPathComponent("VERSION").path) else {
            return [Finding("store", .warning, "there is none in \(directory.path) yet; `tessera warm` makes it")]
        }
        let store: ChunkStore
        do { store = try ChunkStore(directory: directory, options: options) } catch {
            return [Finding("store", error.code == .locked ? .warning : .problem, error.message)]
        }
        defer { store.close() }
        do throws(TesseraError) {
            let statistics = try store.statistics()
            let usage = try store.diskUsage()
            let cap = store.diskCap == 0 ? "no disk cap" : "a disk cap of \(megabytes(store.diskCap))"
            var findings = [
                Finding("store", .ok, "\(statistics.records) records in \(megabytes(usage)), \(cap)")
            ]
            findings += store.notes.map { Finding("store", .warning, $0) }
            if let fingerprint { findings += try mismatches(store, fingerprint) }
            return findings
        } catch {
            return [Finding("store", .problem, error.message)]
        }
    }

    private static func mismatches(
        _ store: ChunkStore, _ fingerprint: Fingerprint
    ) throws(TesseraError) -> [Finding] {
        let others = try store.mismatches(with: fingerprint)
        guard !others.isEmpty else { return [Finding("fingerprint", .ok, "all records are of this model")] }
        return others.map { other in
            let fields = other.fields.isEmpty ? "fields that nobody wrote down" : other.fields.joined(separator: ", ")
            return Finding(
                "fingerprint", .warning,
                "\(other.records) records differ in \(fields) and aren't used; "
                    + "`tessera store rm --fingerprint \(other.digest.description.prefix(12))` releases them")
        }
    }
}
