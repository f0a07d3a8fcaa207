// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// What a store is found to have wrong.
package struct StoreProblem: Sendable, Hashable {
    /// What kind of thing.
    package enum Kind: String, Sendable, CaseIterable {
        /// A header that can't be read, or lacks what belongs to it.
        case header
        /// Layers that are missing or aren't what their header says.
        case layers
        /// The small record of a variant that isn't there.
        case variant
        /// The counts of a segment.
        case segment
        /// The catalog, against the headers.
        case catalog
    }

    /// What kind of thing it is.
    package var kind: Kind
    /// In words, with the key or the number of what it is about.
    package var text: String
}

/// What a look through a store came to.
package struct StoreVerification: Sendable {
    /// Records that were looked at.
    package var records = 0
    /// Bytes of layers that were read and verified.
    package var byteCount = 0
    /// What is wrong.
    package var problems: [StoreProblem] = []
}

extension ChunkStore {
    /// Looks through all of a store and changes nothing.
    ///
    /// - Parameters:
    ///   - readsLayers: Whether each layer is read and verified too.
    ///   - progress: Told how many records have been looked at.
    package func verify(
        readsLayers: Bool = true, progress: (Int) -> Void = { _ in }
    ) throws(TesseraError) -> StoreVerification {
        try writing { (session, ledger) throws(TesseraError) in
            try CatalogKeeper(session).catchUp(with: ledger.state)
            var look = StoreLook(session, ledger)
            try look.run(readsLayers: readsLayers, progress: progress)
            return look.found
        }
    }
}

/// One pass over the headers of a store, with all that must agree with them.
struct StoreLook {
    private(set) var found = StoreVerification()
    /// Keys of records that can't be used.
    private(set) var bad: [ChunkKey] = []
    /// The runs of bytes that records take in each segment.
    private(set) var extents: [UInt64: [Range<Int>]] = [:]
    private(set) var live: [UInt64: (records: Int, byteCount: Int)] = [:]

    private let session: StoreSession
    private let ledger: Ledger

    init(_ session: StoreSession, _ ledger: Ledger) {
        (self.session, self.ledger) = (session, ledger)
    }

    mutating func run(readsLayers: Bool, progress: (Int) -> Void) throws(TesseraError) {
        var catalog = try session.catalog.segments()
        try session.database.scan(StoreKey.headers) { (key, value) throws(TesseraError) in
            guard let chunk = StoreKey.chunk(ofHeader: key) else { return true }
            let place = catalog.removeValue(forKey: chunk)
            try visit(chunk, value, inCatalog: place, readsLayers: readsLayers)
            found.records += 1
            progress(found.records)
            return true
        }
        for key in catalog.keys { add(.catalog, "the catalog has \(key), which the store has not") }
        try lookForStrayVariants()
        for (number, segment) in ledger.segments {
            let counted = live[number] ?? (0, 0)
            if counted != (Int(segment.liveRecords), Int(segment.liveBytes)) {
                add(
                    .segment,
                    "segment \(number) is said to have \(segment.liveRecords) records and has \(counted.records)")
            }
        }
    }

    private mutating func visit(
        _ key: ChunkKey, _ value: UnsafeRawBufferPointer, inCatalog place: UInt64?, readsLayers: Bool
    ) throws(TesseraError) {
        let header: RecordHeader
        do {
            header = try RecordHeader(value, for: key)
        } catch {
            bad.append(key)
            return add(.header, "the header of \(key) can't be read: \(error.message)")
        }
        live[header.place.segment, default: (0, 0)].records += 1
        live[header.place.segment, default: (0, 0)].byteCount += header.byteCount
        let start = Int(header.place.offset)
        extents[header.place.segment, default: []].append(start..<start + RecordPlace.aligned(header.extent))
        guard try session.isComplete(header, key) else {
            bad.append(key)
            return add(.variant, "variant \(key) has lost what it was captured behind")
        }
        if place == nil { add(.catalog, "the catalog lacks \(key)") }
        if let place, place != header.place.segment { add(.catalog, "the catalog has \(key) in another segment") }
        guard readsLayers else {
            if !ledger.holds(header) {
                bad.append(key)
                add(.layers, "the layers of \(key) are missing")
            }
            return
        }
        let chunk = StoredChunk(key: key, header: header)
        if try session.layers(header.layers.indices, of: chunk) == nil {
            bad.append(key)
            add(.layers, "the layers of \(key) are missing or damaged")
        } else {
            found.byteCount += header.byteCount
        }
    }

    private mutating func lookForStrayVariants() throws(TesseraError) {
        try session.database.scan(StoreKey.variants) { (key, _) throws(TesseraError) in
            guard let variant = StoreKey.variant(ofRecord: key) else { return true }
            if try session.database.rawValue(StoreKey.header(variant)) == nil {
                add(.variant, "there is a small record of variant \(variant), and no header")
            }
            return true
        }
    }

    private mutating func add(_ kind: StoreProblem.Kind, _ text: String) {
        found.problems.append(StoreProblem(kind: kind, text: text))
    }
}
