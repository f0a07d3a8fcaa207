// SPDX-License-Identifier: Apache-2.0

internal import TesseraEviction
internal import TesseraKV

/// The policy of a store, and what it has to know of the records.
///
/// It begins its work when room is first needed, with what the catalog tells of the records and their uses; a store
/// that never fills up never pays for it. From then on it is told of every commit and of uses, these with a delay: they
/// are collected until somebody needs to know. If records share the first 64 bits of their keys, one of them is left to
/// the catalog's order of use.
struct EvictionDesk: Sendable {
    /// What is noted of a record.
    struct Place: Sendable {
        var key: ChunkKey
        var segment: UInt64
        var scope: RecordScope
        var tokens: Int
        var cost: Double
        /// Whether it can be written anew and smaller.
        var canShrink: Bool
    }

    /// Who makes room, and how.
    struct Choice {
        var key: ChunkKey
        var byteCount: Int
        var demotes: Bool
    }

    var options: EvictionOptions
    private var host: PolicyHost<Place>?
    private var tenants: [String: Int] = [:]
    private var waiting = WaitingObjects()
    /// What the policy was told of as a miss and has not come in yet.
    private var asked: Set<ObjectKey> = []
    private static let mostAsked = 4096

    init(_ options: EvictionOptions) {
        self.options = options
    }

    var isAtWork: Bool { host != nil }

    /// Takes up work with the records that there are, those first that were not used for longest.
    mutating func begin(capacity: Int, _ options: EvictionOptions, _ records: [EvictionCandidate]) {
        self.options = options
        host = PolicyHost(
            options.policy, PolicySettings(capacity: capacity, seed: 1, demotion: options.demotionTerms))
        for record in records {
            let object = object(record.place, bytes: record.byteCount)
            let (created, lastUsed) = (Self.seconds(record.created), Self.seconds(record.lastUsed))
            _ = host?.miss(object, at: created)
            host?.insert(object, tag: record.place, at: created)
            for _ in 0..<min(max(0, record.uses), Self.mostPastUses) { host?.hit(object, at: lastUsed) }
            host?.pin(object.key, record.isPinned)
        }
    }

    /// Past uses of a record that the policy is told of.
    private static let mostPastUses = 16

    /// Records were used.
    mutating func used(_ uses: [ChunkKey: Catalog.Use]) {
        guard isAtWork else { return }
        for (key, use) in uses.sorted(by: { $0.value.last < $1.value.last }) {
            guard let resident = host?.residents[ObjectKey(key)] else { continue }
            var object = object(resident.tag, bytes: resident.bytes)
            object.share = use.share
            for _ in 0..<min(use.count, Self.mostPastUses) { host?.hit(object, at: Self.seconds(use.last)) }
        }
    }

    /// A chunk was asked for that the store does not have.
    ///
    /// - Returns: Whether to keep it.
    mutating func wants(
        _ key: ChunkKey, tokens: Int, bytes: Int, scope: RecordScope, at time: Int64
    ) -> Bool {
        let place = Place(
            key: key, segment: 0, scope: scope, tokens: tokens, cost: options.cost(tokens), canShrink: false)
        let object = object(place, bytes: bytes)
        if options.admissionUses > 1 {
            let held = host?.residents.count ?? 0
            guard waiting.use(object.key, holding: held) >= options.admissionUses else { return false }
        }
        guard isAtWork else { return true }
        if asked.count >= Self.mostAsked { asked.removeAll() }
        asked.insert(object.key)
        return host?.miss(object, at: Self.seconds(time)) ?? true
    }

    /// A commit changed a record; nil where there is none under the key any more.
    mutating func changed(_ key: ChunkKey, to header: RecordHeader?, isPinned: Bool, at time: Int64) {
        let name = ObjectKey(key)
        guard let header else {
            if host?.residents[name]?.tag.key == key { host?.remove(name) }
            return
        }
        waiting.forget(name)
        guard isAtWork else { return }
        let place = Place(header, key, options)
        let object = object(place, bytes: RecordPlace.aligned(header.extent))
        if host?.residents[name] == nil {
            if asked.remove(name) == nil { _ = host?.miss(object, at: Self.seconds(time)) }
            host?.insert(object, tag: place, at: Self.seconds(time))
        }
        // One that was written anew stays who it is.
        if host?.residents[name]?.tag.key == key {
            host?.note(name, place)
            host?.measured(name, object.bytes)
            host?.pin(name, isPinned)
        }
    }

    /// The bytes of a namespace's layers.
    func usedBytes(of namespace: String) -> Int {
        tenants[namespace].flatMap { host?.usedBytes(of: $0) } ?? 0
    }

    /// Lets the policy choose who makes room.
    ///
    /// - Parameters:
    ///   - namespace: The tenant that makes room; nil for any.
    ///   - scope: Records that stay.
    ///   - isBeingRead: Whether somebody reads from a segment.
    mutating func choose(
        capacity: Int, of namespace: String?, sparing scope: RecordScope?, at time: Int64,
        isBeingRead: (UInt64) -> Bool
    ) -> Choice? {
        host?.resize(to: capacity)
        let tenant = namespace.map { number(of: $0) }
        let found = host?.victim(for: nil, of: tenant, at: Self.seconds(time)) { resident in
            resident.tag.scope == scope || isBeingRead(resident.tag.segment)
        }
        guard let (victim, resident) = found else { return nil }
        let place = resident.tag
        if case .demote = victim { return Choice(key: place.key, byteCount: resident.bytes, demotes: true) }
        return Choice(key: place.key, byteCount: resident.bytes, demotes: false)
    }

    /// Lets go of all that it knows, and begins anew when room is next needed.
    mutating func rest() { host = nil }

    /// A record that was chosen can't be written smaller, and leaves.
    mutating func drop(_ key: ChunkKey) { host?.remove(ObjectKey(key)) }

    /// What the policy did wrong so far, for the log.
    var violation: PolicyViolation? { host?.violations.first }

    private mutating func number(of namespace: String) -> Int {
        if let number = tenants[namespace] { return number }
        tenants[namespace] = tenants.count
        return tenants.count - 1
    }

    private mutating func object(_ place: Place, bytes: Int) -> CachedObject {
        CachedObject(
            key: ObjectKey(place.key), bytes: bytes, cost: place.cost, namespace: number(of: place.scope.namespace),
            isDemotable: place.canShrink)
    }

    private static func seconds(_ microseconds: Int64) -> Double { Double(microseconds) / 1e6 }
}

extension EvictionDesk.Place {
    init(_ header: RecordHeader, _ key: ChunkKey, _ options: EvictionOptions) {
        let scope = RecordScope(fingerprint: header.fingerprint, namespace: header.namespace)
        self.init(
            key: key, segment: header.place.segment, scope: scope, tokens: header.tokens.count,
            cost: options.cost(header.tokens.count),
            canShrink: options.canDemote(
                header.provenance, codec: header.codec, tokens: header.tokens.count, isWhole: header.kept == nil,
                byteCount: RecordPlace.aligned(header.extent)))
    }
}

/// What the catalog tells of a record when the desk begins.
struct EvictionCandidate: Sendable {
    var place: EvictionDesk.Place
    /// Bytes of its layers.
    var byteCount: Int
    /// When it was put, and when it was last used or put, in microseconds since 1970.
    var created: Int64
    var lastUsed: Int64
    /// How often a lookup found it.
    var uses: Int
    var isPinned: Bool
}

extension ObjectKey {
    /// The first 64 bits of a record's key.
    init(_ key: ChunkKey) {
        self.init(key.digest.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }
}
