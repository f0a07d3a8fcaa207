// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// Remembers the digests of model files, so that gigabytes are read once and not at every start.
///
/// A file counts as the same one as long as device, inode, size, and times of modification and change are; the last
/// can't be set back, as tools that copy times do with the other. The memo is a
/// convenience: a damaged one, or one that can't be written, costs a digest and nothing else.
struct WeightsMemo {
    private struct Entry: Codable {
        var path: String
        var identity: [Int64]
        var digest: String
    }

    private let file: URL

    init(folder: URL) {
        file = folder.appendingPathComponent("models.json")
    }

    /// The digest of a file that was seen before and has not changed since.
    func digest(of path: String) -> Digest256? {
        guard let identity = Self.identity(of: path) else { return nil }
        return entries().first { $0.identity == identity }.flatMap { Digest256(hexadecimal: $0.digest) }
    }

    /// Keeps the digest of a file that was `identity` before it was read; one that was exchanged meanwhile is not kept.
    func remember(_ digest: Digest256, of path: String, identity: [Int64]?) {
        guard let identity, identity == Self.identity(of: path) else { return }
        let entry = Entry(path: path, identity: identity, digest: digest.description)
        let known = entries().filter { $0.path != path && $0.identity != identity }
        try? JSONEncoder().encode((known + [entry]).suffix(32)).write(to: file, options: .atomic)
    }

    private func entries() -> [Entry] {
        (try? JSONDecoder().decode([Entry].self, from: Data(contentsOf: file))) ?? []
    }

    /// Device, inode, size, and the times of modification and change in seconds and nanoseconds.
    static func identity(of path: String) -> [Int64]? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return [
            Int64(bitPattern: UInt64(status.st_dev)), Int64(bitPattern: UInt64(status.st_ino)), Int64(status.st_size),
            Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec), Int64(status.st_ctim.tv_sec),
            Int64(status.st_ctim.tv_nsec),
        ]
    }
}
