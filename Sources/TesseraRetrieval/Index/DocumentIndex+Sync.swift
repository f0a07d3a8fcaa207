// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
public import TesseraKV

extension DocumentIndex {
    /// Brings the index to what is on disk now below `paths`.
    ///
    /// Files whose size, time of change and inode are as they were are not read; files that are read, but hold what
    /// they held, are not cut again. Work is committed every few megabytes, so that a run that was killed goes on where
    /// it stopped. Documents of other folders stay as they are.
    ///
    /// - Parameters:
    ///   - paths: Files, read whatever their ending, and folders, from which files with an ending of
    ///     ``DocumentFormat`` are read, at any depth. Hidden files are left out, links are followed.
    ///   - excluded: Files and folders to leave out, such as a store that lies between the documents.
    ///   - progress: Called behind each file that was read.
    /// - Returns: What was done. Files that are no text are named there and don't end the run.
    /// - Throws: ``TesseraError``: `notFound` for a path that is not there, or when there is no document to be read
    ///   below all of them; `locked`, `full`, `io` for what befalls the database; `cancelled` when the task is.
    @discardableResult
    public func sync(
        _ paths: [String], excluding excluded: [String] = [], progress: (SyncProgress) -> Void = { _ in }
    ) throws(TesseraError) -> SyncReport {
        let tree = try FileTree(paths, excluding: excluded + [path])
        return try wrapErrors(of: path) {
            do {
                return try Sync(self, tree).run(progress)
            } catch let error as DatabaseError where error.isDamage {
                try rebuild()
                return try Sync(self, tree).run(progress)
            }
        }
    }
}

/// One run of ``DocumentIndex/sync(_:excluding:progress:)``.
private final class Sync {
    private struct Known {
        var id: Int64
        var stamp: FileStamp
        var refusal: String?
        var chunks: Int
    }

    /// What is committed at once.
    private static let batchFiles = 256
    private static let batchBytes = 8 << 20

    private let pool: DatabasePool
    private let tree: FileTree
    private let chunker: Chunker
    private let paths: [String]
    private var known: [String: Known] = [:]
    private var report = SyncReport()

    init(_ index: DocumentIndex, _ tree: FileTree) throws {
        pool = index.pool
        self.tree = tree
        chunker = try Chunker(encoder: index.encoder, options: index.options)
        paths = tree.roots
        report.rebuilt = index.takeRebuilt()
        report.skipped = tree.skipped
    }

    func run(_ progress: (SyncProgress) -> Void) throws -> SyncReport {
        try loadKnown()
        try removeVanished()
        try update(changedFiles(), progress)
        report.skipped.sort { $0.path < $1.path }
        guard !known.values.contains(where: { $0.chunks > 0 }) else { return report }
        let endings = DocumentFormat.allCases.flatMap(\.endings).map { "." + $0 }.joined(separator: ", ")
        let reasons = report.skipped.prefix(3).map { " \($0.path): \($0.reason)." }.joined()
        throw TesseraError(
            .notFound,
            "there is no document to read in \(paths.joined(separator: ", ")); in folders, files ending in "
                + "\(endings) are read.\(reasons)")
    }

    // MARK: Comparing

    private func loadKnown() throws {
        let scope = PathScope(tree.roots)
        known = try pool.read { database in
            var known: [String: Known] = [:]
            let rows = try Row.fetchCursor(
                database, sql: "SELECT path, id, size, modified, inode, refusal, chunks FROM documents")
            while let row = try rows.next() {
                let path: String = row[0]
                if scope.contains(path) {
                    let stamp = FileStamp(size: row[2], modified: row[3], inode: row[4])
                    known[path] = Known(id: row[1], stamp: stamp, refusal: row[5], chunks: row[6])
                }
            }
            return known
        }
    }

    private func removeVanished() throws {
        let unreadable = PathScope(tree.unreadable)
        let vanished = known.filter { tree.files[$0.key] == nil && !unreadable.contains($0.key) }
        guard !vanished.isEmpty else { return }
        try pool.write { database in
            for (path, document) in vanished {
                try database.removeChunks(of: document.id)
                try database.execute(
                    cached: "DELETE FROM documents WHERE id = ?", arguments: [document.id])
                known[path] = nil
            }
        }
        report.removed = vanished.filter { $0.value.chunks > 0 }.keys.sorted()
    }

    private func changedFiles() -> [FileTree.File] {
        tree.files.values.filter { file in
            guard let before = known[file.path], before.stamp == file.stamp else { return true }
            if let refusal = before.refusal {
                report.skipped.append(.init(path: file.path, reason: refusal))
            } else {
                report.unchanged += 1
            }
            return false
        }.sorted { $0.path < $1.path }
    }

    // MARK: Writing

    private func update(_ files: [FileTree.File], _ progress: (SyncProgress) -> Void) throws {
        var done = SyncProgress(
            path: "", files: 0, totalFiles: files.count, bytes: 0, totalBytes: files.reduce(0) { $0 + $1.stamp.size })
        while done.files < files.count {
            guard !Task.isCancelled else { throw CancellationError() }
            let firstByte = done.bytes
            let end = min(done.files + Self.batchFiles, files.count)
            try pool.write { database in
                while done.files < end && done.bytes - firstByte < Self.batchBytes && !Task.isCancelled {
                    let file = files[done.files]
                    try update(file, in: database)
                    done.path = file.path
                    done.files += 1
                    done.bytes += file.stamp.size
                    progress(done)
                }
            }
        }
        report.removed.sort()
    }

    private func update(_ file: FileTree.File, in database: Database) throws {
        let contents: FileContents
        do {
            contents = try FileContents(path: file.path)
        } catch {
            report.skipped.append(.init(path: file.path, reason: error.reason))
            return
        }
        let stored = try database.stored(file.path)
        let digest = Data(contents.digest.bytes)
        if let stored, stored.digest == digest {
            try database.setStamp(contents.stamp, of: stored.id)
            note(file, id: stored.id, refusal: stored.refusal, chunks: stored.chunks, wasRead: false)
            return
        }
        if let stored { try database.removeChunks(of: stored.id) }
        let id = try database.put(file.path, contents.stamp, digest, id: stored?.id)
        do {
            let document = try TextDocument(file: contents.bytes, format: file.format)
            let count = try insertChunks(of: document, id, in: database)
            note(file, id: id, refusal: nil, chunks: count, wasRead: true)
        } catch let refusal as Refusal {
            try database.execute(
                cached: "UPDATE documents SET refusal = ? WHERE id = ?", arguments: [refusal.reason, id])
            note(file, id: id, refusal: refusal.reason, chunks: 0, wasRead: true)
        }
    }

    /// Enters a file into the report.
    private func note(_ file: FileTree.File, id: Int64, refusal: String?, chunks: Int, wasRead: Bool) {
        let before = known[file.path]?.chunks ?? 0
        if let refusal {
            report.skipped.append(.init(path: file.path, reason: refusal))
            if before > 0 { report.removed.append(file.path) }
        } else if before == 0 {
            report.added.append(file.path)
        } else if wasRead {
            report.changed.append(file.path)
        } else {
            report.unchanged += 1
        }
        known[file.path] = Known(id: id, stamp: file.stamp, refusal: refusal, chunks: chunks)
    }

    private func insertChunks(of document: TextDocument, _ id: Int64, in database: Database) throws -> Int {
        var (count, tokens) = (0, 0)
        try chunker.forEachChunk(of: document) { chunk in
            try database.insert(chunk, ordinal: count, document: id)
            count += 1
            tokens += chunk.tokens.count
        }
        try database.execute(
            cached: "UPDATE documents SET chunks = ?, tokens = ? WHERE id = ?", arguments: [count, tokens, id])
        return count
    }
}
