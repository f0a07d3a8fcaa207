// SPDX-License-Identifier: Apache-2.0

internal import CFiles
internal import Dispatch
internal import Foundation
internal import ServiceLifecycle
internal import Synchronization
internal import Tessera
internal import TesseraAPI
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// Holds prompts' KV in shared memory for clients, until they give it back or its time is over.
final class LeaseDesk: Sendable {
    private struct Held {
        var namespace: String
        /// The file's size, and the memory that it takes.
        var size: Int
        var memory: Int
        var expires: Double
    }

    private struct State {
        var leases: [String: Held] = [:]
        /// Bytes of leases that are being written.
        var reserved = 0
        /// What is ready for the next lease, and since when none has come.
        var spare: SpareFile?
        var lastLease = 0.0

        var used: Int { reserved + leases.values.reduce(spare?.byteCount ?? 0) { $0 + $1.memory } }
    }

    let options: LeaseOptions
    private let folder: LeaseFolder
    private let state = Mutex(State())
    private let making = DispatchQueue(label: "tessera.spare")

    /// Leases from this size on are worth a spare file, which stands ready for so many seconds.
    private static let leastSpare = 4 << 20
    private static let spareSeconds = 60.0

    init(_ options: LeaseOptions) throws(TesseraError) {
        self.options = options
        folder = try LeaseFolder(options.folder)
    }

    /// Whether leases lie in memory, as they should.
    var isInMemory: Bool { folder.isInMemory }

    /// How many leases there are, and the bytes that they take.
    var load: (count: Int, byteCount: Int) { state.withLock { ($0.leases.count, $0.used) } }

    /// Writes a prompt's KV into a file of its own. It blocks.
    ///
    /// - Parameters:
    ///   - prompt: The KV.
    ///   - format: How its numbers lie in the file.
    ///   - caller: For whom.
    ///   - seconds: How long it lasts; nil for as long as usual.
    /// - Throws: ``TesseraError``: `busy` where other leases take the memory, `full` where it is too large by itself.
    func lease(
        _ prompt: StitchedPrompt, _ format: KVFileFormat, to caller: Caller, seconds: Double?
    ) throws(TesseraError) -> Lease {
        let seconds = try checked(seconds)
        let rows = prompt.valid.reduce(0) { $0 + $1.count }
        // Rows that are not valid are holes, which take no memory; whole pages of the others do.
        let arrays = 2 * prompt.valid.count * (format.order == .head ? prompt.heads : 1)
        let needed = prompt.tensorBytes(format) / max(1, prompt.plan.promptTokens) * rows + arrays * 8192 + 65_536
        // Where few rows are valid, pages that are there already would be wasted on holes.
        let spare = takeSpare(where: 4 * rows >= 3 * prompt.plan.promptTokens, for: needed)
        do throws(TesseraError) {
            try reserve(needed)
        } catch {
            if let spare { folder.remove(spare) }
            throw error
        }
        defer { state.withLock { $0.reserved -= needed } }
        let id = Self.newID()
        let file: CInt
        if let spare {
            file = try folder.adopt(spare, as: id, reader: caller.leaseUser)
        } else {
            file = try folder.create(id, reader: caller.leaseUser)
        }
        defer {
            close(file)
            makeSpare(like: needed)
        }
        let size: Int
        do throws(TesseraError) {
            size = try prompt.write(
                to: file, format,
                metadata: [
                    "format": "tessera-lease-1", "fingerprint": caller.cache.digest.description,
                    "order": format.order.rawValue, "rope": format.isRotated ? "applied" : "none",
                    "pairing": format.pairing.rawValue,
                ])
        } catch {
            folder.remove(id)
            throw error
        }
        let expires = Date().timeIntervalSince1970 + seconds
        let held = Held(
            namespace: caller.tenant.namespace, size: size, memory: max(0, Int(cf_allocated_bytes(file))),
            expires: expires)
        state.withLock { $0.leases[id] = held }
        return Lease(
            id: id, path: folder.file(id), bytes: size, expires: expires,
            valid: prompt.valid.map { [$0.lowerBound, $0.upperBound] }, plan: Plan(prompt.plan))
    }

    /// The leases of a tenant, those that end first in front.
    func leases(of tenant: Tenant) -> [Lease] {
        state.withLock { $0.leases.filter { $0.value.namespace == tenant.namespace } }
            .map { lease($0.key, $0.value) }
            .sorted { ($0.expires, $0.id) < ($1.expires, $1.id) }
    }

    /// Lets a lease last longer, counted from now.
    ///
    /// - Throws: ``TesseraError`` of code `notFound` for one that is none of this tenant's.
    func renew(_ id: String, of tenant: Tenant, seconds: Double?) throws(TesseraError) -> Lease {
        let expires = try Date().timeIntervalSince1970 + checked(seconds)
        let held = state.withLock { state -> Held? in
            guard state.leases[id]?.namespace == tenant.namespace else { return nil }
            state.leases[id]?.expires = expires
            return state.leases[id]
        }
        guard let held else { throw Self.unknown(id) }
        return lease(id, held)
    }

    /// Ends a lease.
    ///
    /// - Throws: ``TesseraError`` of code `notFound` for one that is none of this tenant's.
    func release(_ id: String, of tenant: Tenant) throws(TesseraError) {
        let isThere = state.withLock { state in
            guard state.leases[id]?.namespace == tenant.namespace else { return false }
            return state.leases.removeValue(forKey: id) != nil
        }
        guard isThere else { throw Self.unknown(id) }
        folder.remove(id)
    }

    /// Ends leases whose time is over.
    func sweep(now: Double = Date().timeIntervalSince1970) {
        end { $0.expires <= now }
        dropSpare(unusedSince: now - Self.spareSeconds)
    }

    /// Ends all leases.
    func releaseAll() {
        end { _ in true }
        making.sync {}
        dropSpare(unusedSince: .infinity)
        folder.leave()
    }

    // MARK: Steps

    private func end(_ isOver: (Held) -> Bool) {
        let ended = state.withLock { state in
            let ended = state.leases.filter { isOver($0.value) }.map(\.key)
            for id in ended { state.leases[id] = nil }
            return ended
        }
        ended.forEach(folder.remove)
    }

    /// What stands ready, if it is of use.
    private func takeSpare(where isWanted: Bool, for byteCount: Int) -> SpareFile? {
        let spare = state.withLock { state -> SpareFile? in
            state.lastLease = Date().timeIntervalSince1970
            defer { state.spare = nil }
            return state.spare
        }
        guard let spare else { return nil }
        guard isWanted, spare.byteCount >= byteCount / 2, spare.byteCount <= 2 * byteCount else {
            folder.remove(spare)
            return nil
        }
        return spare
    }

    /// Makes the next lease's file ready, beside all else.
    private func makeSpare(like byteCount: Int) {
        guard byteCount >= Self.leastSpare, byteCount <= options.memory / 3 else { return }
        making.async { [self] in
            let fits = state.withLock { state in
                guard state.spare == nil, state.used + byteCount <= options.memory / 4 * 3 else { return false }
                state.reserved += byteCount
                return true
            }
            guard fits else { return }
            let spare = folder.createSpare(Self.newID(), byteCount: byteCount)
            let isSurplus = state.withLock { state in
                state.reserved -= byteCount
                guard state.spare == nil else { return true }
                state.spare = spare
                return false
            }
            if isSurplus, let spare { folder.remove(spare) }
        }
    }

    /// Gives back what stands ready for nobody.
    private func dropSpare(unusedSince time: Double) {
        let spare = state.withLock { state -> SpareFile? in
            guard state.lastLease <= time else { return nil }
            defer { state.spare = nil }
            return state.spare
        }
        if let spare { folder.remove(spare) }
    }

    private func reserve(_ byteCount: Int) throws(TesseraError) {
        guard byteCount <= options.memory else {
            throw TesseraError(
                .full,
                "this lease would take \(byteCount) bytes, and all of them may take \(options.memory) (leaseMemory)")
        }
        let (used, count) = state.withLock { state in
            let (used, count) = (state.used, state.leases.count)
            if used + byteCount <= options.memory, count < options.mostLeases { state.reserved += byteCount }
            return (used, count)
        }
        guard count < options.mostLeases else {
            throw TesseraError(.busy, "\(count) leases are held, which is as many as go; give some back")
        }
        guard used + byteCount <= options.memory else {
            throw TesseraError(
                .busy, "leases take \(used) of \(options.memory) bytes, and this one wants \(byteCount); give some back"
            )
        }
    }

    private func checked(_ seconds: Double?) throws(TesseraError) -> Double {
        guard let seconds else { return options.usualSeconds }
        guard seconds >= 1, seconds <= options.mostSeconds else {
            throw TesseraError(
                .invalidInput, "a lease lasts 1 to \(Int(options.mostSeconds)) s before it has to be renewed")
        }
        return seconds
    }

    private func lease(_ id: String, _ held: Held) -> Lease {
        Lease(id: id, path: folder.file(id), bytes: held.size, expires: held.expires)
    }

    private static func newID() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    private static func unknown(_ id: String) -> TesseraError {
        TesseraError(.notFound, "there is no lease \(id); it may have ended")
    }
}

/// Ends leases when their time is over, and all of them at the end.
struct LeaseSweeper: Service {
    let desk: LeaseDesk

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                desk.sweep()
                try? await Task.sleep(for: .seconds(1))
            }
        }
        desk.releaseAll()
    }
}
