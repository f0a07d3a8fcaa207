// SPDX-License-Identifier: Apache-2.0

internal import Configuration
internal import Foundation
internal import Logging
internal import SystemPackage
internal import Tessera
internal import TesseraEviction
package import TesseraKV
internal import TesseraRuntime

extension SidecarConfiguration {
    /// Reads a configuration: a flag goes before the environment, that before the file, that before the default.
    ///
    /// - Parameters:
    ///   - flags: What the command line says, by the settings' names.
    ///   - environment: The environment; `TESSERA_DISK_CAP` is the setting `diskCap`.
    ///   - file: A JSON file; nil for what the setting `config` names, or none.
    /// - Throws: ``TesseraError``: `notFound` and `invalidInput` for the file, `invalidInput` for a setting that is none,
    ///   has a wrong value, or is missing.
    package static func read(
        flags: [String: String], environment: [String: String]
    ) async throws(TesseraError) -> SidecarConfiguration {
        let given = InMemoryProvider(
            name: "the command line",
            values: Dictionary(
                uniqueKeysWithValues: flags.map {
                    (AbsoluteConfigKey([$0.key]), ConfigValue(.string($0.value), isSecret: false))
                }))
        let variables = EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "tessera")
        var providers: [any ConfigProvider] = [given, variables]
        if let file = try Settings(providers).text("config") { providers.append(try await provider(file)) }
        let settings = Settings(providers)
        guard let model = try settings.text("model") else {
            throw TesseraError(.invalidInput, "no model is named; give --model, TESSERA_MODEL or \"model\" in the file")
        }
        let folders = UserFolders(environment)
        var configuration = SidecarConfiguration(
            model: model, store: try settings.text("store") ?? folders.store,
            socket: try settings.text("socket") ?? folders.socket)
        try configuration.readServer(settings)
        try configuration.readTenants(settings)
        try configuration.readCache(settings)
        let known = Set(names.union(["config"]).map(Self.variable))
        for name in environment.keys.sorted()
        where name.hasPrefix("TESSERA_") && !name.hasPrefix("TESSERA_TENANT_") && !known.contains(name) {
            // Others may have names of that beginning, such as Kubernetes' links to a service.
            configuration.logger.warning("the environment's \(name) is no setting")
        }
        return configuration
    }

    /// A file of settings, none of which is unknown.
    private static func provider(_ file: String) async throws(TesseraError) -> any ConfigProvider {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw TesseraError(.notFound, "the configuration file \(file) can't be read")
        }
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw TesseraError(.invalidInput, "the configuration file \(file) is no JSON object")
        }
        var strangers = object.keys.filter { !names.contains($0) }
        let named = object["tenants"] as? [String] ?? []
        guard object["tenant"] == nil || object["tenant"] is [String: Any] else {
            throw TesseraError(
                .invalidInput, "tenant in the configuration file \(file) is no object of tenants' settings")
        }
        for (tenant, value) in object["tenant"] as? [String: Any] ?? [:] {
            if !named.isEmpty || object["tenants"] == nil, !named.contains(tenant) {
                strangers.append("tenant.\(tenant), who is not one of tenants")
            }
            let fields = (value as? [String: Any])?.keys.map { $0 } ?? []
            strangers += fields.filter { !tenantNames.contains($0) }.map { "tenant.\(tenant).\($0)" }
        }
        guard strangers.isEmpty else {
            throw TesseraError(
                .invalidInput,
                "the configuration file \(file) has settings that are none: \(strangers.sorted().joined(separator: ", "))"
            )
        }
        do {
            return try await FileProvider<JSONSnapshot>(filePath: FilePath(file))
        } catch {
            throw TesseraError(.invalidInput, "the configuration file \(file) can't be read: \(error)")
        }
    }

    /// What a setting is called in the environment.
    private static func variable(_ name: String) -> String {
        "TESSERA_" + name.map { $0.isUppercase ? "_\($0)" : $0.uppercased() }.joined()
    }

    /// All settings that a file may have.
    static let names: Set<String> = [
        "model", "store", "socket", "socketGroup", "port", "tokenFile", "users", "tenants", "tenant", "precision",
        "threads", "diskCap", "ramCap", "leaseMemory", "leaseFolder", "leaseSeconds", "requestMemory", "answersAtOnce",
        "waitingRequests", "answerTokens", "mostBodyBytes", "mostImportBytes", "mostConnections", "bodySeconds",
        "shutdownSeconds", "storeCodec", "evictionPolicy", "timeToLive", "admitAfter", "demoteTo", "encryptKeyFile",
        "recipe", "template", "logLevel", "logPrompts", "spanFile",
    ]
    /// All settings of a tenant.
    static let tenantNames: Set<String> = ["users", "tokenFile", "saltFile", "quota", "leaseUser", "administrator"]

    private mutating func readServer(_ settings: Settings) throws(TesseraError) {
        socketGroup = try settings.text("socketGroup")
        port = try settings.number("port", in: 0...65_535)
        leases.folder = try settings.text("leaseFolder") ?? leases.folder
        leases.usualSeconds = try settings.seconds("leaseSeconds") ?? leases.usualSeconds
        guard leases.usualSeconds <= leases.mostSeconds else {
            throw TesseraError(.invalidInput, "leaseSeconds is at most \(Int(leases.mostSeconds))")
        }
        mostBodyBytes = try settings.bytes("mostBodyBytes") ?? mostBodyBytes
        mostImportBytes = try settings.bytes("mostImportBytes") ?? mostImportBytes
        mostConnections = try settings.number("mostConnections", in: 1...1_000_000) ?? mostConnections
        bodySeconds = try settings.seconds("bodySeconds") ?? bodySeconds
        shutdownSeconds = try settings.seconds("shutdownSeconds") ?? shutdownSeconds
        answerTokens = try settings.number("answerTokens", in: 1...1_000_000) ?? answerTokens
        spanFile = try settings.text("spanFile")
        logsPrompts = try settings.flag("logPrompts") ?? false
        logger.logLevel = try settings.choice("logLevel", of: Logger.Level.self) ?? .notice
    }

    private mutating func readTenants(_ settings: Settings) throws(TesseraError) {
        let named = try settings.list("tenants") ?? []
        guard !named.isEmpty else {
            tenants = [
                Tenant(
                    name: "default", users: try users(settings, "users"), tokenFile: try settings.text("tokenFile"),
                    isAdministrator: true)
            ]
            return
        }
        for name in ["users", "tokenFile"] as [Settings.Name] where try settings.list(name) != nil {
            throw TesseraError(.invalidInput, "with tenants, \(name) is a setting of each: tenant.NAME.\(name)")
        }
        tenants = try named.map { (name) throws(TesseraError) in
            func key(_ setting: String) -> Settings.Name { Settings.Name(tenant: name, setting) }
            return Tenant(
                name: name,
                salt: try settings.text(key("saltFile")).map { (file) throws(TesseraError) in
                    try SecretFile.text(file, "salt")
                },
                users: try users(settings, key("users")), tokenFile: try settings.text(key("tokenFile")),
                leaseUser: try settings.number(key("leaseUser"), in: 0...Int(UInt32.max) - 1).map(UInt32.init),
                quota: try settings.bytes(key("quota")),
                isAdministrator: try settings.flag(key("administrator")) ?? false)
        }
    }

    private func users(_ settings: Settings, _ name: Settings.Name) throws(TesseraError) -> [UInt32] {
        try (settings.list(name) ?? []).map { (text) throws(TesseraError) in
            guard let user = UInt32(text), user < .max else {
                throw TesseraError(.invalidInput, "\(name) are user ids, as `id -u` prints them; \(text) is none")
            }
            return user
        }
    }

    private mutating func readCache(_ settings: Settings) throws(TesseraError) {
        enum Precision: String, CaseIterable { case auto, bf16, fp32 }
        switch try settings.choice("precision", of: Precision.self) {
        case .bf16: cache.precision = .bf16
        case .fp32: cache.precision = .fp32
        case .auto, nil: cache.precision = .automatic
        }
        cache.threads = try settings.number("threads", in: 1...1024)
        cache.diskCap = try settings.bytes("diskCap")
        try readMemory(settings)
        cache.storeCodec = try settings.choice("storeCodec", of: StoreCodec.self) ?? .fp16
        if let name = try settings.text("evictionPolicy") {
            guard let policy = PolicyKind.all.first(where: { $0.name == name }) else {
                let names = PolicyKind.all.map(\.name).joined(separator: ", ")
                throw TesseraError(.invalidInput, "the setting evictionPolicy is one of \(names), not \(name)")
            }
            cache.evictionPolicy = policy
        }
        cache.timeToLive = try settings.seconds("timeToLive")
        cache.admissionUses = try settings.number("admitAfter", in: 1...1_000_000) ?? 1
        cache.coldTier = try settings.text("demoteTo").map { (text) throws(TesseraError) in try ColdTier(text) }
        cache.encryptKeyFile = try settings.text("encryptKeyFile")
        if let recipe = try settings.text("recipe") { cache.recipe = .text(recipe) }
        if let template = try settings.text("template") {
            cache.template =
                FileManager.default.contents(atPath: template).map { String(decoding: $0, as: UTF8.self) }
                ?? template
        }
        cache.scheduling.answersAtOnce =
            try settings.number("answersAtOnce", in: 1...4096) ?? cache.scheduling.answersAtOnce
        cache.scheduling.waitingRequests = try settings.number("waitingRequests", in: 0...1_000_000) ?? 256
        cache.namespace = tenants[0].namespace
        cache.quotas = Dictionary(
            tenants.compactMap { tenant in tenant.quota.map { (tenant.namespace, $0) } }, uniquingKeysWith: min)
        cache.logger = logger
    }

    /// Memory is stated as a whole; leases come out of it.
    private mutating func readMemory(_ settings: Settings) throws(TesseraError) {
        let cap = try settings.bytes("ramCap") ?? 512 << 20
        leases.memory = try settings.bytes("leaseMemory") ?? cap / 2
        cache.ramCap = cap - leases.memory
        guard leases.memory >= 0, cache.ramCap >= 32 << 20 else {
            throw TesseraError(
                .invalidInput, "ramCap has to leave the store 32 MiB beside leaseMemory; raise it or lower that")
        }
        cache.scheduling.requestMemory = try settings.bytes("requestMemory") ?? 2 << 30
    }
}

/// Where things lie that nobody named.
struct UserFolders {
    private let environment: [String: String]

    init(_ environment: [String: String]) {
        self.environment = environment
    }

    /// The store: in the user's cache folder.
    var store: String { cache + "/tessera" }

    /// The socket: in the user's folder of running programs, or beside the store.
    var socket: String {
        let runtime = environment["XDG_RUNTIME_DIR"].flatMap { $0.isEmpty ? nil : $0 }
        return (runtime.map { $0 + "/tessera" } ?? cache + "/tessera-run") + "/tessera.sock"
    }

    private var cache: String {
        let stated = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        return stated ?? (environment["HOME"] ?? ".") + "/.cache"
    }
}
