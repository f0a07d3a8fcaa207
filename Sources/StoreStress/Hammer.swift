// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Synchronization
import TesseraEviction
import TesseraKV
import TesseraStore

/// Threads that read, write, remove and pin in a store at its cap, and the books of what they did.
struct Hammer: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Work on a store at its cap from many threads, and check its books.",
        discussion: """
            No deadlock, no leak of memory or files, never more on disk than the cap; hits and misses are all lookups, and \
            bytes in less bytes out are the bytes held.
            """)

    @Option(help: "How long.")
    var seconds = 60.0

    @Option(help: "Threads.")
    var threads = 8

    @Option(help: "The eviction policy, or `all` for one after the other.")
    var policy = "value"

    @Option(help: "The cap on disk in bytes.")
    var cap = 24 << 20

    func validate() throws {
        guard seconds > 0, (1...64).contains(threads), cap >= 8 << 20 else {
            throw ValidationError("--seconds is more than 0, --threads is 1 to 64, --cap is at least \(8 << 20)")
        }
    }

    func run() throws {
        let kinds = policy == "all" ? PolicyKind.all : [try PolicyKind.named(policy)]
        for kind in kinds {
            let hammering = try Hammering(kind, cap: cap, threads: threads)
            do { print(try hammering.run(seconds: seconds / Double(kinds.count))) } catch let violation as Violation {
                print("violation under \(kind): \(violation.text)")
                throw ExitCode.failure
            }
        }
    }
}

/// One store that is hammered.
final class Hammering: Sendable {
    private let store: ChunkStore
    private let folder: URL
    private let kind: PolicyKind
    private let cap: Int
    private let threads: Int
    private let records: [HammerRecord]
    private let start = Footprint()
    private let lookups = Atomic(0)
    private let writes = Atomic(0)
    private let refusals = Atomic(0)
    private let running = Atomic(0)
    private let found = Mutex<String?>(nil)

    private static let recordCount = 400
    private static let leakAllowance = 48 << 20

    init(_ kind: PolicyKind, cap: Int, threads: Int) throws {
        (self.kind, self.cap, self.threads) = (kind, cap, threads)
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("store-hammer-\(UUID().uuidString)")
        records = try (0..<Self.recordCount).map { try HammerRecord($0) }
        store = try ChunkStore(
            directory: folder,
            options: StoreOptions(
                diskCap: cap, ramCap: StoreOptions.leastRAMCap, freeDiskFloor: 0,
                eviction: EvictionOptions(policy: kind, quotas: ["two": cap / 3], demotion: ColdForm(.q8))))
    }

    /// Hammers, and says in one line what was done.
    func run(seconds: Double) throws -> String {
        defer { try? FileManager.default.removeItem(at: folder) }
        let deadline = Date(timeIntervalSinceNow: seconds)
        running.store(threads, ordering: .relaxed)
        for number in 0..<threads {
            let thread = Thread { [self] in
                work(SplitMix64(seed: UInt64(number)), until: deadline)
                running.subtract(1, ordering: .relaxed)
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        // The first fifth fills the store and whatever grows to its size.
        Thread.sleep(forTimeInterval: seconds / 5)
        let before = Footprint()
        while running.load(ordering: .relaxed) > 0 {
            Thread.sleep(forTimeInterval: 0.02)
            let used = try store.diskUsage()
            guard used <= cap else { throw Violation(text: "\(used) bytes on disk under a cap of \(cap)") }
            guard deadline.timeIntervalSinceNow > -60 else {
                throw Violation(text: "threads are stuck a minute after the end")
            }
        }
        if let text = found.withLock({ $0 }) { throw Violation(text: text) }
        let after = Footprint()
        guard after.memory - before.memory <= Self.leakAllowance else {
            throw Violation(text: "from \(before) the process grew to \(after)")
        }
        let summary = try balance()
        store.close()
        let end = Footprint()
        guard end.files <= start.files + 4 else {
            throw Violation(text: "the process began with \(start), and ends with \(end)")
        }
        return summary
    }

    /// Checks the books.
    private func balance() throws -> String {
        let counts = try store.statistics()
        let asked = lookups.load(ordering: .relaxed)
        guard counts.hits + counts.misses == asked else {
            throw Violation(text: "\(counts.hits) hits and \(counts.misses) misses for \(asked) lookups")
        }
        guard counts.bytesIn - counts.bytesOut == counts.byteCount else {
            throw Violation(
                text: "\(counts.bytesIn) bytes came and \(counts.bytesOut) went, and \(counts.byteCount) are held")
        }
        guard counts.damaged == 0, counts.failedReads == 0 else {
            throw Violation(text: "\(counts.damaged) records damaged, \(counts.failedReads) reads failed")
        }
        return
            "\(kind): \(asked) lookups, \(counts.hits) hits, \(writes.load(ordering: .relaxed)) puts, "
            + "\(counts.evicted) given up, \(counts.demoted) demoted, \(refusals.load(ordering: .relaxed)) refused for want "
            + "of room; the books balance"
    }

    private func work(_ seed: SplitMix64, until end: Date) {
        var numbers = seed
        do {
            while end.timeIntervalSinceNow > 0, found.withLock({ $0 }) == nil { try step(&numbers) }
        } catch { found.withLock { $0 = "\(error)" } }
    }

    private func step(_ numbers: inout SplitMix64) throws {
        // The square makes some much more popular than others.
        let chance = Double.random(in: 0..<1, using: &numbers)
        let record = records[Int(chance * chance * Double(records.count))]
        switch Int.random(in: 0..<40, using: &numbers) {
        case 0: try store.remove([record.plain.key])
        case 1: try pin(record)
        case 2...4: try store.unpin(records[Int.random(in: 0..<40, using: &numbers)...].prefix(20).map(\.plain.key))
        default: try use(record)
        }
    }

    private func pin(_ record: HammerRecord) throws {
        do throws(TesseraError) {
            try store.pin([record.plain.key])
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    /// Looks a record up, reads it where it is, and puts it where it isn't.
    private func use(_ record: HammerRecord) throws {
        let plain = record.plain
        lookups.add(1, ordering: .relaxed)
        if let chunk = try store.lookup(plain.key, fingerprint: plain.fingerprint, tokens: plain.tokens) {
            guard let loaded = try store.load(chunk) else { return }
            let expected = loaded.codec == StoreCodec.q8.rawValue ? record.small : plain.layers
            for layer in expected.indices where loaded.withLayer(layer, { [UInt8]($0) }) != expected[layer] {
                throw Violation(text: "a record came back with other bytes")
            }
            return
        }
        do throws(TesseraError) {
            try store.put(plain)
            writes.add(1, ordering: .relaxed)
        } catch {
            // Whatever could leave is pinned or being read.
            guard error.code == .full else { throw error }
            refusals.add(1, ordering: .relaxed)
        }
    }
}

/// A record in both codecs.
struct HammerRecord: Sendable {
    let plain: ChunkRecord
    let small: [[UInt8]]

    private static let layout = KVLayout(layers: 2, heads: 2, headDimension: 32)

    init(_ number: Int) throws {
        var numbers = SplitMix64(seed: UInt64(number))
        let tokens = 16 + Int.random(in: 0..<400, using: &numbers)
        var layers: [[UInt8]] = []
        var small: [[UInt8]] = []
        for _ in 0..<Self.layout.layers {
            let (keys, values) = (Self.numbers(tokens, &numbers), Self.numbers(tokens, &numbers))
            layers.append(try StoreCodec.fp16.codec.encode(keys: keys, values: values, layout: Self.layout))
            small.append(try StoreCodec.q8.codec.encode(keys: keys, values: values, layout: Self.layout))
        }
        self.small = small
        plain = ChunkRecord(
            kind: .chunk, fingerprint: Digest256(of: [7]), namespace: number % 3 == 0 ? "two" : "one",
            tokens: (0..<tokens).map { TokenID(number * 1000 + $0) }, layout: Self.layout, codec: "fp16", layers: layers
        )
    }

    /// Numbers that half precision holds exactly, so that both codecs begin with the same.
    private static func numbers(_ tokens: Int, _ numbers: inout SplitMix64) -> [Float] {
        (0..<tokens * layout.width).map { _ in Float(Int.random(in: -512...512, using: &numbers)) / 256 }
    }
}

/// What a process takes.
struct Footprint: CustomStringConvertible {
    let memory: Int
    let files: Int

    init() {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        memory = (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(getpagesize())
        files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    }

    var description: String { "\(memory >> 20) MiB and \(files) open files" }
}
