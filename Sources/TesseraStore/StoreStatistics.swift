// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// What a store holds and how it has served since it was opened.
package struct StoreStatistics: Sendable {
    /// The records of one kind and provenance in one namespace; variants are counted apart from chunks.
    package struct Tally: Sendable, Equatable {
        /// What the records stand for.
        package var kind: RecordKind
        /// Behind what their KV was computed.
        package var provenance: Provenance
        /// The tenant scope.
        package var namespace: String
        /// How many there are.
        package var records: Int
        /// Their tokens.
        package var tokens: Int
        /// The bytes of their layers.
        package var byteCount: Int
    }

    /// What is stored, by kind, provenance and namespace.
    package var tallies: [Tally]
    /// Lookups that found their record.
    package var hits: Int
    /// Lookups that found none.
    package var misses: Int
    /// Of the misses, those where a record stood under the key but was of other tokens or another fingerprint.
    package var mismatches: Int
    /// Records that were found damaged and taken out.
    package var damaged: Int
    /// Reads that failed for another reason than damage; each was a miss.
    package var failedReads: Int
    /// Loads that found their record in memory.
    package var hotHits: Int
    /// Records in memory, and the bytes that they take.
    package var hotRecords: Int
    package var hotByteCount: Int
    /// Records that were given up to make room.
    package var evicted: Int
    /// Records that made room in a smaller codec.
    package var demoted: Int
    /// Records that were found past their time to live.
    package var expired: Int
    /// Bytes of layers of records that came since the store was opened, and of those that went.
    package var bytesIn: Int
    package var bytesOut: Int
    /// Bytes in segments that no record uses.
    package var garbageByteCount: Int

    /// The number of all records.
    package var records: Int { tallies.reduce(0) { $0 + $1.records } }
    /// The number of contextual variants among them.
    package var variants: Int { tallies.reduce(0) { $0 + ($1.provenance == .contextual ? $1.records : 0) } }
    /// The tokens of all records.
    package var tokens: Int { tallies.reduce(0) { $0 + $1.tokens } }
    /// The bytes of all records' layers.
    package var byteCount: Int { tallies.reduce(0) { $0 + $1.byteCount } }
}

/// A fingerprint in the store that is not the one asked about, and why its records can't be used.
package struct FingerprintMismatch: Sendable, Equatable {
    /// The stored fingerprint's digest.
    package var digest: Digest256
    /// How many records it has.
    package var records: Int
    /// The names of the fields in which it differs, in canonical order.
    package var fields: [String]
}
