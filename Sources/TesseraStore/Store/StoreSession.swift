// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What an open store holds: its folder, the database and the catalog.
final class StoreSession: Sendable {
    let directory: StoreDirectory
    let database: RocksDatabase
    let catalog: Catalog

    init(directory: StoreDirectory, database: RocksDatabase, catalog: Catalog) {
        (self.directory, self.database, self.catalog) = (directory, database, catalog)
    }

    /// A record's header, decoded; nil when there is none.
    func header(_ key: ChunkKey) throws(TesseraError) -> RecordHeader? {
        try database.withValue(StoreKey.header(key)) { (bytes) throws(TesseraError) in
            try RecordHeader(bytes, for: key)
        }
    }
}
