// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraClient
import TesseraKV
import TesseraStore

extension StoreCommand {
    /// `tessera store pin`.
    struct Pin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep records whatever room is needed, until they are unpinned.")

        @OptionGroup var socketOptions: SocketOptions
        @OptionGroup var storeOptions: StoreFolderOptions

        @Argument(help: "Keys, or at least 6 digits that each begins with.")
        var keys: [String]

        func validate() throws { try socketOptions.refuse(storeOptions.given) }

        func run() async throws {
            let asked: Void? = try await socketOptions.withClient { client in
                try await client.pin(client.ids(keys))
            }
            if asked != nil { return }
            let store = try storeOptions.open()
            defer { store.close() }
            try store.pin(try keys.map { try store.key($0) })
        }
    }

    /// `tessera store unpin`.
    struct Unpin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let records be given up for room again.")

        @OptionGroup var socketOptions: SocketOptions
        @OptionGroup var storeOptions: StoreFolderOptions

        @Argument(help: "Keys, or at least 6 digits that each begins with.")
        var keys: [String]

        func validate() throws { try socketOptions.refuse(storeOptions.given) }

        func run() async throws {
            let asked: Void? = try await socketOptions.withClient { client in
                try await client.unpin(client.ids(keys))
            }
            if asked != nil { return }
            let store = try storeOptions.open()
            defer { store.close() }
            try store.unpin(try keys.map { try store.key($0) })
        }
    }

    /// `tessera store rm`: removes records.
    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove records.",
            discussion: "Named by their keys, or all that pass every one of the options and aren't pinned.")

        @OptionGroup var socketOptions: SocketOptions
        @OptionGroup var storeOptions: StoreFolderOptions

        @Argument(help: "Keys, or at least 6 digits that each begins with.")
        var keys: [String] = []

        @Option(help: "Those of one namespace.")
        var namespace: String?

        @Option(help: "Those of one fingerprint, such as that of a model that is no longer used; 6 digits are enough.")
        var fingerprint: String?

        @Option(help: "Those of all other fingerprints; 6 digits of each that stays are enough.")
        var allButFingerprint: [String] = []

        @Option(help: "Those not used for so long, such as 30d or 12h.")
        var unusedFor: Age?

        @Flag(help: "With keys: the chunks' variants too.")
        var variants = false

        @Flag(help: "Only say how many records and bytes it would be.")
        var dryRun = false

        func validate() throws {
            let filters = namespace != nil || fingerprint != nil || !allButFingerprint.isEmpty || unusedFor != nil
            guard keys.isEmpty == filters else {
                throw ValidationError("name keys, or say with options which records go, not both")
            }
            guard !variants || !keys.isEmpty else { throw ValidationError("--variants goes with keys") }
            try socketOptions.refuse(
                storeOptions.given + [
                    ("--namespace", namespace != nil), ("--fingerprint", fingerprint != nil),
                    ("--all-but-fingerprint", !allButFingerprint.isEmpty), ("--unused-for", unusedFor != nil),
                    ("--dry-run", dryRun),
                ])
        }

        func run() async throws {
            let asked: Void? = try await socketOptions.withClient { client in
                let ids = try await client.ids(keys)
                for id in ids { try await client.delete(chunk: id) }
                try Console.line("\(ids.count) records removed, with their variants")
            }
            if asked != nil { return }
            let store = try storeOptions.open()
            defer { store.close() }
            let gone = try selected(in: store)
            guard gone.count == Set(gone.map(\.key)).count else {
                throw TesseraError(.invalidInput, "a record is named twice")
            }
            let bytes = gone.reduce(0) { $0 + $1.bytes }
            if !dryRun { try store.remove(gone.map(\.key)) }
            try Console.line(
                "\(gone.count) records, \(readable(bytes: bytes))\(dryRun ? " would be removed" : " removed")")
        }

        private func selected(in store: ChunkStore) throws -> [(key: ChunkKey, bytes: Int)] {
            guard keys.isEmpty else {
                let named = try keys.map { try store.key($0) }
                let records = try named.compactMap { try store.record($0) }
                let others =
                    variants
                    ? try records.flatMap { record in
                        try store.variants(of: record.key, fingerprint: record.fingerprint, tokens: record.tokens)
                            .compactMap { try store.record($0.key) }
                    } : []
                return (records + others).map { ($0.key, $0.byteCount) }
            }
            var filter = EntryFilter()
            filter.namespace = namespace
            let known = try store.recordsByFingerprint().keys.sorted()
            filter.fingerprint = try fingerprint.map { try digest($0, among: known) }
            filter.otherThan = try allButFingerprint.map { try digest($0, among: known) }
            if let unusedFor {
                filter.unusedSince = Int64((Date().timeIntervalSince1970 - unusedFor.seconds) * 1e6)
            }
            // What is pinned goes by its own key alone.
            return try store.entries(filter).filter { !$0.isPinned }.map { ($0.key, $0.byteCount) }
        }

        private func digest(_ digits: String, among known: [String]) throws -> Digest256 {
            let found = known.filter { $0.hasPrefix(digits.lowercased()) }
            guard digits.count >= 6, let digest = found.first.flatMap(Digest256.init(hexadecimal:)) else {
                throw TesseraError(.notFound, "no record is of a fingerprint that begins with \(digits)")
            }
            guard found.count == 1 else {
                throw TesseraError(.invalidInput, "several fingerprints begin with \(digits); name more digits")
            }
            return digest
        }
    }
}

extension StoreCommand {
    /// `tessera store recompress`: writes chunks anew in a smaller codec, or without some of their tokens.
    struct Recompress: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write chunks anew in another codec, or without some of their tokens.",
            discussion: """
                Each chunk is written from what it was computed as: one that a codec with losses made, or that lacks tokens, \
                stays as it is, since a second loss on top of the first would be a worse chunk than either says. Prefixes \
                and variants stay too. It can be stopped and begun again; chunks that are as wanted already are passed over.
                """)

        @OptionGroup var storeOptions: StoreFolderOptions

        @Option(
            help:
                "The codec to write: \(StoreCodec.names.joined(separator: ", ")). By default the one that a chunk is in."
        )
        var codec: String?

        @Option(
            help: "Leave tokens out that this press holds to matter least: \(ColdTier.presses.joined(separator: ", "))."
        )
        var press: String?

        @Option(help: "How much of a chunk the press keeps: a number of tokens or a share, such as 60%.")
        var budget: String?

        @Option(help: "Those of one namespace.")
        var namespace: String?

        @Option(help: "Those not used for so long, such as 30d or 12h.")
        var unusedFor: Age?

        @Flag(help: "Only say how many records and bytes it would be about.")
        var dryRun = false

        func validate() throws {
            if let codec, StoreCodec(rawValue: codec) == nil {
                throw ValidationError(
                    "there is no codec “\(codec)”; choose one of \(StoreCodec.names.joined(separator: ", "))")
            }
            guard (press == nil) == (budget == nil) else {
                throw ValidationError("--press and --budget go together: --press lagkv --budget 60%")
            }
            guard codec != nil || press != nil else {
                throw ValidationError("say what to write: --codec q8, --press lagkv --budget 60%, or both")
            }
            do { _ = try tier() } catch { throw ValidationError(error.message) }
        }

        /// The form to write, put as `--demote-to` has it.
        private func tier() throws(TesseraError) -> ColdTier {
            try ColdTier([codec, press.map { "\($0):\(budget ?? "")" }].compactMap { $0 }.joined(separator: "+"))
        }

        func run() async throws {
            let tier = try tier()
            let form = try tier.form()
            let store = try storeOptions.open()
            defer { store.close() }
            var filter = EntryFilter()
            filter.namespace = namespace
            if let unusedFor {
                filter.unusedSince = Int64((Date().timeIntervalSince1970 - unusedFor.seconds) * 1e6)
            }
            let records = try store.entries(filter)
            let bytes = records.reduce(0) { $0 + $1.byteCount }
            guard !dryRun else {
                return try Console.line("\(records.count) records of \(readable(bytes: bytes)) would be looked at")
            }
            let outcome = try store.recompress(records.map(\.key), as: form) { done in
                if done % 1000 == 0 { Notices.say("\(done) of \(records.count) records") }
            }
            try Console.line(
                """
                \(outcome.rewritten) records written anew as \(tier.label), \(readable(bytes: outcome.saved)) freed; \
                \(outcome.unchanged) were so already
                """)
            if outcome.lossy > 0 {
                try Console.line(
                    "\(outcome.lossy) records stay, made by a codec with losses or lacking tokens already; remove them and run "
                        + "`tessera warm` to compute them anew")
            }
            if outcome.kept > 0 {
                try Console.line(
                    "\(outcome.kept) records stay: prefixes, variants, and what is too short, would get no smaller or had no "
                        + "room")
            }
        }
    }
}

/// A time span: `30d`, `12h`, `45m`, `90s`.
struct Age: ExpressibleByArgument {
    var seconds: Double

    init?(argument: String) {
        guard let seconds = Quantity.seconds(argument) else { return nil }
        self.seconds = seconds
    }
}
