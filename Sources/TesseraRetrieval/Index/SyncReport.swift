// SPDX-License-Identifier: Apache-2.0

/// What a run of ``DocumentIndex/sync(_:excluding:progress:)`` did.
public struct SyncReport: Sendable, Hashable {
    /// A file that is not in the index.
    public struct Skipped: Sendable, Hashable {
        /// The file, or a folder that could not be read.
        public var path: String
        /// Why, in a few words.
        public var reason: String
    }

    /// Documents that were not in the index before.
    public var added: [String] = []
    /// Documents whose content is another than before.
    public var changed: [String] = []
    /// Documents that are no longer there, or no longer text.
    public var removed: [String] = []
    /// The number of documents that are as they were.
    public var unchanged = 0
    /// Files that are not indexed, and folders that were not read; of the latter, the index keeps what it had.
    public var skipped: [Skipped] = []
    /// Why the index was filled from nothing; nil where it was not.
    public var rebuilt: String?
}

/// How far a run of ``DocumentIndex/sync(_:excluding:progress:)`` has come.
public struct SyncProgress: Sendable, Hashable {
    /// The file that was read last.
    public var path: String
    /// The number of files read.
    public var files: Int
    /// The number of files to read: those that are new or changed.
    public var totalFiles: Int
    /// The bytes of the files read.
    public var bytes: Int
    /// The bytes of the files to read.
    public var totalBytes: Int
}
