// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraAPI
import TesseraClient
import TesseraKV
import TesseraStore

extension StoreCommand {
    /// `tessera store ls`: the records.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ls", abstract: "List records.")

        @OptionGroup var socketOptions: SocketOptions
        @OptionGroup var storeOptions: StoreFolderOptions

        @Option(help: "Of one namespace.")
        var namespace: String?

        @Option(help: "Of one kind: chunk, prefix or variant.")
        var kind: Kind?

        @Option(help: "The order: used, created, size or uses, the highest first.")
        var sort = Order.used

        @Option(help: "The most records that are listed.")
        var limit = 50

        @Flag(help: "Print the list as JSON.")
        var json = false

        enum Kind: String, ExpressibleByArgument, CaseIterable {
            case chunk, prefix, variant

            var provenance: Provenance {
                switch self {
                case .chunk: .isolated
                case .prefix: .prefix
                case .variant: .contextual
                }
            }
        }

        enum Order: String, ExpressibleByArgument, CaseIterable {
            case used, created, size, uses
        }

        func validate() throws {
            guard limit >= 1 else { throw ValidationError("--limit is at least 1") }
            try socketOptions.refuse(storeOptions.given + [("--namespace", namespace != nil)])
        }

        func run() async throws {
            let entries = try await socketOptions.withClient { client in
                try await client.chunks(kind: kind?.rawValue, order: sort.rawValue, limit: min(limit, 1000))
            }
            try show(try entries.map { $0.map(ListedRecord.init) } ?? ownEntries())
        }

        private func ownEntries() throws -> [ListedRecord] {
            let store = try storeOptions.open()
            defer { store.close() }
            var filter = EntryFilter()
            (filter.namespace, filter.provenance) = (namespace, kind?.provenance)
            return try store.entries(filter, order: EntryOrder(rawValue: sort.rawValue) ?? .used, limit: limit)
                .map(ListedRecord.init)
        }

        private func show(_ entries: [ListedRecord]) throws {
            if json { return try Console.line(try TesseraCLI.json(entries)) }
            // A server lists one namespace, the caller's own.
            let names = socketOptions.isGiven ? [] : ["namespace"]
            var table = Table(
                ["key", "kind"] + names + ["tokens", "bytes", "codec", "created", "last use", "uses", "pinned"])
            for entry in entries {
                table.rows.append(
                    [String(entry.key.prefix(12)), entry.kind] + (entry.namespace.map { [$0] } ?? [])
                        + [
                            entry.kept.map { "\($0) of \(entry.tokens)" } ?? "\(entry.tokens)",
                            readable(bytes: entry.bytes), entry.codec, entry.created, entry.lastUsed,
                            "\(entry.uses)", entry.pinned ? "yes" : "",
                        ])
            }
            try Console.line(table.text)
        }
    }

    /// `tessera store show`: one record.
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all about a record but its numbers.")

        @OptionGroup var socketOptions: SocketOptions
        @OptionGroup var storeOptions: StoreFolderOptions

        @Argument(help: "The record's key, or at least 6 digits that it begins with.")
        var key: String

        @Flag(help: "Print it as JSON, with all tokens.")
        var json = false

        func validate() throws { try socketOptions.refuse(storeOptions.given) }

        func run() async throws {
            let digits = key
            let asked: Void? = try await socketOptions.withClient { client in
                let detail = try await client.chunk(try await client.ids([digits])[0])
                let shown = ShownRecord(detail)
                try Console.line(json ? try TesseraCLI.json(shown) : shown.text)
            }
            if asked != nil { return }
            let store = try storeOptions.open()
            defer { store.close() }
            let key = try store.key(key)
            guard let record = try store.record(key) else {
                throw TesseraError(.notFound, "the record \(key) is gone")
            }
            let shown = try ShownRecord(record, in: store)
            try Console.line(json ? try TesseraCLI.json(shown) : shown.text)
        }
    }

    /// `tessera store stats`: totals.
    struct Stats: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Totals by namespace, disk and memory.")

        @OptionGroup var socketOptions: SocketOptions
        @OptionGroup var storeOptions: StoreFolderOptions

        @Flag(help: "Print the totals as JSON.")
        var json = false

        private struct Report: Codable {
            struct Row: Codable {
                var namespace: String
                var kind: String
                var records: Int
                var tokens: Int
                var bytes: Int
            }

            /// What only a server's administrators are told, and those who have the store.
            var diskBytes: Int?
            var diskCapBytes: Int?
            var garbageBytes: Int?
            var fingerprints: [String: Int]
            var rows: [Row]

            init(
                diskBytes: Int?, diskCapBytes: Int?, garbageBytes: Int?, fingerprints: [String: Int], rows: [Row]
            ) {
                (self.diskBytes, self.diskCapBytes, self.garbageBytes) = (diskBytes, diskCapBytes, garbageBytes)
                (self.fingerprints, self.rows) = (fingerprints, rows)
            }

            /// What a server tells.
            init(_ statistics: Statistics) {
                let server = statistics.server
                self.init(
                    diskBytes: server?.diskBytes, diskCapBytes: server?.diskCapBytes,
                    garbageBytes: server?.garbageBytes, fingerprints: server?.fingerprints ?? [:],
                    rows: statistics.rows.map {
                        .init(
                            namespace: $0.namespace, kind: $0.kind, records: $0.records, tokens: $0.tokens,
                            bytes: $0.bytes)
                    })
            }
        }

        func validate() throws { try socketOptions.refuse(storeOptions.given) }

        func run() async throws {
            let found = try await socketOptions.withClient { Report(try await $0.statistics()) }
            try show(try found ?? ownReport())
        }

        private func ownReport() throws -> Report {
            let store = try storeOptions.open()
            defer { store.close() }
            let statistics = try store.statistics()
            return Report(
                diskBytes: try store.diskUsage(), diskCapBytes: store.diskCap,
                garbageBytes: statistics.garbageByteCount, fingerprints: try store.recordsByFingerprint(),
                rows: statistics.tallies.map {
                    .init(
                        namespace: $0.namespace, kind: name(of: $0.provenance), records: $0.records, tokens: $0.tokens,
                        bytes: $0.byteCount)
                })
        }

        private func show(_ report: Report) throws {
            if json { return try Console.line(try TesseraCLI.json(report)) }
            var table = Table(["namespace", "kind", "records", "tokens", "bytes"])
            for row in report.rows {
                table.rows.append([
                    row.namespace, row.kind, "\(row.records)", "\(row.tokens)", readable(bytes: row.bytes),
                ])
            }
            let fingerprints = report.fingerprints.sorted { $0.value > $1.value }
                .map { "\($0.value) records under fingerprint \($0.key.prefix(12))" }
            try Console.line(([table.text] + disk(report) + fingerprints).joined(separator: "\n"))
        }

        private func disk(_ report: Report) -> [String] {
            guard let bytes = report.diskBytes else { return [] }
            let cap = report.diskCapBytes.flatMap { $0 > 0 ? "a cap of \(readable(bytes: $0))" : nil } ?? "no cap"
            return [
                "\(readable(bytes: bytes)) on disk, \(cap), \(readable(bytes: report.garbageBytes ?? 0)) to be reclaimed"
            ]
        }
    }
}

/// What records are called on the command line.
func name(of provenance: Provenance) -> String {
    switch provenance {
    case .isolated: "chunk"
    case .prefix: "prefix"
    case .contextual: "variant"
    }
}

/// A moment as people and programs read it.
func moment(_ microseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(microseconds) / 1e6).formatted(.iso8601)
}

/// One line of a list.
private struct ListedRecord: Codable {
    var key: String
    var kind: String
    var namespace: String?
    var fingerprint: String
    var tokens: Int
    /// How many of them have keys and values, where that is not all.
    var kept: Int?
    var bytes: Int
    var codec: String
    var created: String
    var lastUsed: String
    var uses: Int
    var pinned: Bool

    init(_ entry: StoreEntry) {
        (key, kind, namespace) = (entry.key.description, name(of: entry.provenance), entry.namespace)
        (fingerprint, tokens, bytes) = (entry.fingerprint.description, entry.tokens, entry.byteCount)
        kept = entry.kept
        (codec, uses, pinned) = (entry.codec, entry.uses, entry.isPinned)
        (created, lastUsed) = (moment(entry.created), moment(entry.lastUsed))
    }

    /// A record of a server; the namespace is the user's own there.
    init(_ entry: ChunkEntry) {
        (key, kind, namespace) = (entry.id, entry.kind, nil)
        (fingerprint, tokens, bytes) = (entry.fingerprint, entry.tokens, entry.bytes)
        kept = entry.kept
        (codec, uses, pinned) = (entry.codec, entry.uses, entry.pinned)
        (created, lastUsed) = (moment(Int64(entry.created * 1e6)), moment(Int64(entry.lastUsed * 1e6)))
    }
}

/// All about one record.
private struct ShownRecord: Codable {
    struct Layer: Codable {
        var bytes: Int
        var xxh3: String
    }

    var key: String
    var kind: String
    var namespace: String?
    var fingerprint: String
    var fingerprintFields: [String]?
    var codec: String
    var layout: String?
    var created: String
    var uses: Int
    var pinned: Bool
    var segment: UInt64?
    var offset: UInt64?
    var bytes: Int
    var layers: [Layer]?
    var tokens: [TokenID]
    /// Which of them have keys and values, by their places, where that is not all.
    var kept: [Int]?
    var behind: [String]
    var variants: [String]

    init(_ record: StoredChunk, in store: ChunkStore) throws {
        (key, kind, namespace) = (record.key.description, name(of: record.provenance), record.namespace)
        (fingerprint, codec, created) = (record.fingerprint.description, record.codec, moment(record.created))
        fingerprintFields =
            try store.fingerprintFields(record.fingerprint)?.map {
                "\($0.name) \($0.digest.description.prefix(12))"
            } ?? []
        let layout = record.layout
        self.layout = "\(layout.layers) layers, \(layout.heads) KV heads of \(layout.headDimension)"
        (uses, pinned) = (try store.use(of: record.key)?.count ?? 0, try store.isPinned(record.key))
        (segment, offset) = record.place
        (bytes, tokens, kept) = (record.byteCount, record.tokens, record.kept)
        layers = record.layers.map { Layer(bytes: $0.byteCount, xxh3: String($0.checksum, radix: 16)) }
        behind = try store.behind(record).map(\.description)
        variants = try store.variants(of: record.key, fingerprint: record.fingerprint, tokens: record.tokens)
            .map(\.key.description)
    }

    /// A record of a server, which says nothing of its disk.
    init(_ detail: ChunkDetail) {
        let listed = ListedRecord(detail.entry)
        (key, kind, namespace, fingerprint) = (listed.key, listed.kind, listed.namespace, listed.fingerprint)
        (codec, created, uses, pinned, bytes) = (listed.codec, listed.created, listed.uses, listed.pinned, listed.bytes)
        (tokens, behind, variants) = (detail.tokenIds, detail.behind, detail.variants)
    }

    var text: String {
        let shown = tokens.prefix(12).map(String.init).joined(separator: " ")
        func short(_ keys: [String]) -> String {
            keys.isEmpty ? "none" : keys.map { String($0.prefix(12)) }.joined(separator: " ")
        }
        let lines: [(String, String?)] = [
            ("key", key), ("kind", kind), ("namespace", namespace), ("fingerprint", fingerprint),
            ("of", fingerprintFields.map { $0.isEmpty ? "unknown" : $0.joined(separator: ", ") }),
            ("codec", codec), ("layout", layout),
            ("created", "\(created), used \(uses) times\(pinned ? ", pinned" : "")"),
            ("place", segment.flatMap { segment in offset.map { "segment \(segment), byte \($0)" } }),
            ("bytes", "\(bytes)" + (layers.map { " in \($0.count) layers" } ?? "")),
            ("tokens", "\(tokens.count): \(shown)\(tokens.count > 12 ? " …" : "")"),
            ("kept", kept.map { "\($0.count) of them, the others are left out" }),
            ("behind", short(behind)), ("variants", short(variants)),
        ]
        return lines.compactMap { name, text in
            text.map { name.padding(toLength: 13, withPad: " ", startingAt: 0) + $0 }
        }.joined(separator: "\n")
    }
}
