// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraAPI
import TesseraClient
import TesseraKV
import TesseraStore

extension StoreCommand {
    /// `tessera store digest`.
    struct ContentDigest: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "digest",
            abstract: "A digest of all records: the same for two stores that hold the same.")

        @OptionGroup var socketOptions: SocketOptions
        @OptionGroup var storeOptions: StoreFolderOptions

        @Option(help: "Of one namespace.")
        var namespace: String?

        func validate() throws {
            try socketOptions.refuse(storeOptions.given + [("--namespace", namespace != nil)])
        }

        func run() async throws {
            let asked: Void? = try await socketOptions.withClient { client in
                let content = try await client.digest()
                try Console.line("\(content.digest) of \(content.records) records")
            }
            if asked != nil { return }
            let store = try storeOptions.open()
            defer { store.close() }
            let content = try store.contentDigest(namespace: namespace)
            try Console.line("\(content.digest) of \(content.records) records")
        }
    }

    /// `tessera store verify`.
    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read everything and say what is wrong; nothing is changed.")

        @OptionGroup var storeOptions: StoreFolderOptions

        @Flag(help: "Leave the layers unread.")
        var quick = false

        func run() throws {
            let store = try storeOptions.open()
            defer { store.close() }
            let found = try store.verify(readsLayers: !quick)
            for problem in found.problems { try Console.line(problem.text) }
            guard found.problems.isEmpty else {
                throw TesseraError(
                    .corrupt,
                    "\(found.problems.count) problems in \(found.records) records; `tessera store repair` mends them")
            }
            try Console.line("\(found.records) records, \(readable(bytes: found.byteCount)) read, nothing is wrong")
        }
    }

    /// `tessera store repair`.
    struct Repair: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a damaged store a sound one, without what is damaged.")

        @OptionGroup var storeOptions: StoreFolderOptions

        func run() throws {
            try storeOptions.requireStore()
            let repair = try ChunkStore.repair(directory: storeOptions.folder, options: try storeOptions.options())
            if repair.remadeDatabase { try Console.line("the database was made anew from what could be read of it") }
            try Console.line(
                "\(repair.removed) damaged records taken out, \(repair.records) left, "
                    + "\(readable(bytes: repair.bytesAfter)) on disk")
        }
    }

    /// `tessera store compact`.
    struct Compact: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give back to the disk what no record uses.")

        @OptionGroup var storeOptions: StoreFolderOptions

        func run() throws {
            let store = try storeOptions.open()
            defer { store.close() }
            let usage = try store.compact()
            try Console.line("\(readable(bytes: usage.before)) before, \(readable(bytes: usage.after)) after")
        }
    }

    /// `tessera store rebuild-catalog`.
    struct RebuildCatalog: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rebuild-catalog",
            abstract: "Make the catalog again from the records; counts of uses start over.")

        @OptionGroup var storeOptions: StoreFolderOptions

        func run() throws {
            let store = try storeOptions.open()
            defer { store.close() }
            try Console.line("\(try store.rebuildCatalog()) records in the catalog")
        }
    }

    /// `tessera store export`.
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write records as safetensors files, one for each.",
            discussion: "The files of an encrypted store are in the clear.")

        @OptionGroup var storeOptions: StoreFolderOptions

        @Argument(help: "Keys, or at least 6 digits that each begins with; all records by default.")
        var keys: [String] = []

        @Option(help: "Records of one namespace.")
        var namespace: String?

        @Option(help: "The folder for the files.", completion: .directory)
        var to: String

        func run() throws {
            let store = try storeOptions.open()
            defer { store.close() }
            let folder = URL(fileURLWithPath: to)
            do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
                throw TesseraError(.io, "couldn't make \(to): \(error.localizedDescription)")
            }
            var filter = EntryFilter()
            filter.namespace = namespace
            let wanted = keys.isEmpty ? try store.entries(filter).map(\.key) : try keys.map { try store.key($0) }
            var damaged = 0
            for key in wanted where try store.export(key, to: folder) == nil { damaged += 1 }
            try Console.line("\(wanted.count - damaged) records written to \(folder.path)")
            guard damaged == 0 else { throw TesseraError(.corrupt, "\(damaged) records were damaged and left out") }
        }
    }

    /// `tessera store import`.
    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take in records from safetensors files, everything in them checked.")

        @OptionGroup var storeOptions: StoreFolderOptions

        @Argument(help: "Files that `tessera store export` wrote.", completion: .file(extensions: ["safetensors"]))
        var files: [String]

        func run() throws {
            // An import may begin a store.
            let store = try ChunkStore(directory: storeOptions.folder, options: try storeOptions.options())
            defer { store.close() }
            var (stored, known) = (0, 0)
            var failure: TesseraError?
            for file in files {
                do throws(TesseraError) {
                    switch try store.importChunk(URL(fileURLWithPath: file)).outcome {
                    case .stored: stored += 1
                    case .alreadyThere: known += 1
                    }
                } catch {
                    if let failure { Notices.say(failure.message) }
                    failure = error
                }
            }
            try Console.line("\(stored) records taken in, \(known) were there")
            if let failure { throw failure }
        }
    }
}
