// SPDX-License-Identifier: Apache-2.0

/// Some files, and all files below some folders.
struct PathScope: Sendable {
    private let roots: Set<String>

    /// - Parameter roots: Absolute paths.
    init(_ roots: some Sequence<String>) {
        self.roots = Set(roots)
    }

    /// What users name by `paths`; everything where they name nothing.
    init?(under paths: [String]?) {
        guard let paths else { return nil }
        self.init(paths.map { FileTree.absolute($0) ?? $0 })
    }

    /// Whether the absolute `path` is one of the roots or below one.
    func contains(_ path: String) -> Bool {
        if roots.isEmpty { return false }
        var prefix = Substring(path)
        while true {
            if roots.contains(String(prefix)) { return true }
            guard prefix != "/", let slash = prefix.utf8.lastIndex(of: UInt8(ascii: "/")) else { return false }
            prefix = slash == prefix.startIndex ? "/" : prefix[..<slash]
        }
    }
}
