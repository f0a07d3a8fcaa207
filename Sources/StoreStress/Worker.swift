// SPDX-License-Identifier: Apache-2.0

import CFaultSeam
import Foundation
import TesseraKV
import TesseraStore

/// Does at random what a store is there for, and writes down what it is about to do and what has been acknowledged. A
/// journal written with `write` outlives the process, if not the machine.
struct Worker {
    private let store: ChunkStore
    private let journal: Int32
    private let hasCap: Bool
    private var numbers: SplitMix64

    init(
        store path: String, journal: String, seed: UInt64, cap: Int, isEncrypted: Bool, shadow: String?, killAt: Int,
        killAfter: Bool
    ) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        if let shadow, !fs_watch(path) || !fs_track(path, shadow) { throw Violation(text: "can't track \(path)") }
        if shadow == nil { _ = fs_watch(path) }
        if killAt > 0 {
            fs_plan(
                path, Int32(killAfter ? FS_KILL_AFTER : FS_KILL_BEFORE),
                UInt32(FS_ALL & ~(FS_READ | FS_OPEN)), killAt, 0)
        }
        self.journal = open(journal, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        store = try .stressed(path, cap: cap, isEncrypted: isEncrypted)
        hasCap = cap > 0
        numbers = SplitMix64(seed: seed)
    }

    func run() throws {
        var worker = self
        while true { try worker.step() }
    }

    private mutating func step() throws {
        let some = pick(Int.random(in: 1...12, using: &numbers))
        switch Int.random(in: 0..<20, using: &numbers) {
        case 0..<9: try perform("+", some) { try store.put(some.map(StressRecord.record)) }
        case 9..<13: try perform("-", some) { try store.remove(some.map(StressRecord.key)) }
        case 13: try perform("=", [some[0]]) { try store.setAsset("last", Array("\(some[0])".utf8)) }
        case 14..<19:
            for number in some {
                let record = StressRecord.record(number)
                let found = try store.lookup(record.key, fingerprint: record.fingerprint, tokens: record.tokens)
                guard let found, let loaded = try store.load(found) else { continue }
                for layer in record.layers.indices
                where loaded.withLayer(layer, { [UInt8]($0) }) != record.layers[layer] {
                    note("! record \(number) came back with other bytes")
                }
            }
        default:
            let keys = Set(some.map { StressRecord.record($0).chunk })
            let gone = (0..<StressRecord.count).filter { number in
                number % 5 == 4 && keys.contains(StressRecord.record(number).chunk)
            }
            try perform("-", gone) { try store.removeVariants(of: keys) }
        }
    }

    /// Does something, with a line before and a line after.
    private func perform(_ what: String, _ records: [Int], _ body: () throws -> Void) throws {
        note("\(what) \(records.map(String.init).joined(separator: " "))")
        try body()
        note("ok")
        guard hasCap, what == "+" else { return }
        // What was given up for these must stay away.
        let there = try store.contains((0..<StressRecord.count).map(StressRecord.key))
        note("~ \(there.indices.filter { !there[$0] }.map(String.init).joined(separator: " "))")
    }

    private mutating func pick(_ count: Int) -> [Int] {
        Array(Set((0..<count).map { _ in Int.random(in: 0..<StressRecord.count, using: &numbers) })).sorted()
    }

    private func note(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(journal, bytes, bytes.count)
    }
}
