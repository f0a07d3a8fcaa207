// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Synchronization
import Tessera
import TesseraEviction
import TesseraKV

/// Options of every command that opens a store.
struct StoreOptions: ParsableArguments {
    @Option(help: "The folder of the store. By default tessera in the user's cache folder.", completion: .directory)
    var store: String = StoreOptions.defaultStore

    @Option(help: "The namespace of the chunks; nothing is shared across namespaces.")
    var namespace: String = "default"

    @Option(help: "The most that the store may take on disk, such as 20GB. It is remembered.")
    var diskCap: ByteCount?

    @Option(help: "The most memory that the store takes for chunks at hand and for its work, such as 2GB.")
    var ramCap = ByteCount(bytes: ContextCacheOptions().ramCap)

    @Option(
        help: "How the KV of new chunks is written: \(StoreCodec.names.joined(separator: ", ")). All are read.",
        transform: { name in
            guard let codec = StoreCodec(rawValue: name) else {
                throw ValidationError("a store's codec is one of \(StoreCodec.names.joined(separator: ", "))")
            }
            return codec
        })
    var storeCodec = StoreCodec.fp16

    @OptionGroup(title: "Eviction") var eviction: EvictionOptionGroup

    @Option(
        help: "A file of 32 random bytes, or their hexadecimal digits, that the store is encrypted with.",
        completion: .file())
    var encryptKeyFile: String?

    @Flag(help: "Let the text index lie beside an encrypted store, in the clear.")
    var plainIndex = false

    @Option(
        help: ArgumentHelp(
            "The neutral text that chunks are encoded behind; part of every chunk's key.",
            discussion:
                "By default the model's beginning-of-sequence token alone. Not your own system prompt: an edit of it would empty the cache."
        ))
    var recipe: String?

    @Option(help: "Encode chunks behind so many dummy tokens that are dropped, in the place of --recipe.")
    var dummyPrefix: Int?

    func validate() throws {
        guard dummyPrefix.map({ (0...1024).contains($0) }) ?? true, recipe == nil || dummyPrefix == nil else {
            throw ValidationError("--dummy-prefix is between 0 and 1024, and stands in the place of --recipe")
        }
    }

    /// Its options, and whether each differs from what it is when it is left out.
    var given: [(name: String, isGiven: Bool)] {
        [
            ("--store", store != Self.defaultStore), ("--namespace", namespace != "default"),
            ("--disk-cap", diskCap != nil), ("--ram-cap", ramCap.bytes != ContextCacheOptions().ramCap),
            ("--store-codec", storeCodec != .fp16), ("--encrypt-key-file", encryptKeyFile != nil),
            ("--plain-index", plainIndex), ("--recipe", recipe != nil), ("--dummy-prefix", dummyPrefix != nil),
        ] + eviction.given
    }

    static var defaultStore: String {
        let environment = ProcessInfo.processInfo.environment
        let stated = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        return (stated ?? (environment["HOME"] ?? ".") + "/.cache") + "/tessera"
    }

    /// The same options over a folder of its own where none was named: what benches and demos write stays out of the
    /// store that the user works with.
    func apart(_ name: String) -> StoreOptions {
        var options = self
        if store == Self.defaultStore { options.store += "-" + name }
        return options
    }

    /// Opens the model and the store.
    func open(_ model: ModelOptions, at folder: String? = nil) throws -> ContextCache {
        let cache = try ContextCache(
            model: try model.file(), store: folder ?? store,
            options: ContextCacheOptions(
                precision: model.precision.value, threads: model.threads, namespace: namespace,
                recipe: recipe.map { .text($0) } ?? dummyPrefix.map { .dummies($0) } ?? .default,
                diskCap: diskCap?.bytes, ramCap: ramCap.bytes, storeCodec: storeCodec,
                encryptKeyFile: encryptKeyFile, allowsPlainIndex: plainIndex,
                evictionPolicy: eviction.policy, timeToLive: eviction.ttl?.seconds,
                quotas: Dictionary(eviction.quota.map { ($0.namespace, $0.bytes) }) { $1 },
                admissionUses: eviction.admitAfter, coldTier: eviction.demoteTo, traceFile: eviction.recordTrace,
                verifiesModel: model.verifyModel, template: try model.template.map(TemplateArgument.text),
                logger: Notices.logger))
        OpenCaches.add(cache)
        return cache
    }
}

/// The caches that a command has opened. They are closed before the process ends: what they have learned is kept then, and
/// nothing of a store is left to whoever lets go of it last.
enum OpenCaches {
    private static let all = Mutex<[ContextCache]>([])

    /// Takes a cache down.
    static func add(_ cache: ContextCache) {
        all.withLock { $0.append(cache) }
    }

    /// Closes all of them.
    static func close() async {
        for cache in all.withLock({ $0 }) { await cache.close() }
    }
}

/// A template given as text, or as a file that holds it.
enum TemplateArgument {
    static func text(_ argument: String) throws -> String {
        guard FileManager.default.fileExists(atPath: argument) else { return argument }
        return try readText(at: argument)
    }
}

/// A number of bytes with a unit: `512MB`, `20GB`, `1.5TB`; powers of 1000, or of 1024 with `KiB`, `MiB` and so on.
struct ByteCount: ExpressibleByArgument, Equatable {
    var bytes: Int

    init(bytes: Int) {
        self.bytes = bytes
    }

    init?(argument: String) {
        guard let bytes = Quantity.bytes(argument) else { return nil }
        self.bytes = bytes
    }

    /// The number as it could be given.
    var defaultValueDescription: String {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        guard let unit = units.first(where: { bytes > 0 && bytes % $0.1 == 0 }) else { return "\(bytes)" }
        return "\(bytes / unit.1)\(unit.0)"
    }
}
