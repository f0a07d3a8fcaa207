// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

extension ChunkStore {
    /// The most bytes that an asset has.
    package static let largestAsset = 16 << 20

    /// A small named blob that belongs to the store: a gate's record, a calibration, a measured rate.
    ///
    /// - Returns: Its bytes as they were set; nil when there is none of that name.
    /// - Throws: `corrupt` when they aren't what was set, `invalidInput` for a name that none can have.
    package func asset(_ name: String) throws(TesseraError) -> [UInt8]? {
        try Self.checkAsset(name)
        let session = try session()
        do {
            return try session.database.withValue(StoreKey.asset(name)) { (bytes) throws(TesseraError) in
                try Asset.decoded(bytes, name: name)
            }
        } catch  where error.code == .corrupt {
            throw TesseraError(
                .corrupt, "the asset \(name) in the store \(session.directory.path) is damaged; measure it again")
        }
    }

    /// Sets an asset, or removes it with nil. On return that is on disk; killed before, the asset is as it was.
    ///
    /// - Parameter name: 1 to 512 bytes of UTF-8.
    /// - Throws: `invalidInput` for a name or a size that none can have; `full` when there is no room for it.
    package func setAsset(_ name: String, _ bytes: [UInt8]?) throws(TesseraError) {
        try Self.checkAsset(name)
        let batch = try session().database.batch()
        guard let bytes else {
            batch.delete(StoreKey.asset(name))
            return try writing { (session, _) throws(TesseraError) in try session.database.write(batch) }
        }
        guard bytes.count <= Self.largestAsset else {
            throw TesseraError(
                .invalidInput, "an asset has at most \(Self.largestAsset) bytes, \(name) has \(bytes.count)")
        }
        batch.put(StoreKey.asset(name), Asset.encoded(bytes, name: name))
        // In the log and in a table. What compactions need was kept free when records were put.
        let needed = 2 * bytes.count
        try writing { (session, ledger) throws(TesseraError) in
            try makeRoom(for: needed, session, &ledger)
            try session.database.write(batch)
        }
    }

    /// The names of all assets that begin with `prefix`, in the order of their bytes.
    package func assetNames(under prefix: String) throws(TesseraError) -> [String] {
        let start = StoreKey.asset(prefix)
        var names: [String] = []
        try session().database.scan(from: start, upTo: StoreKey.assets.end) { (key, _) throws(TesseraError) in
            guard key.starts(with: start) else { return false }
            if let name = StoreKey.name(ofAsset: key) { names.append(name) }
            return true
        }
        return names
    }

    private static func checkAsset(_ name: String) throws(TesseraError) {
        guard (1...512).contains(name.utf8.count) else {
            throw TesseraError(.invalidInput, "an asset's name has 1 to 512 bytes, this one has \(name.utf8.count)")
        }
    }
}
