// SPDX-License-Identifier: Apache-2.0

import CFaultSeam
import Foundation
import TesseraKV
import TesseraStore

/// Lets a child work, kills it, and checks what it left; again and again.
struct Stress {
    /// How a child comes to its end.
    private enum End: CaseIterable {
        /// From outside, whenever that is.
        case outside
        /// Before or after one of its own operations on files.
        case before, after
        /// The same, and with it goes all that was not synced.
        case powerCut
    }

    /// What a store is like.
    private struct Kind {
        var cap: Int
        var isEncrypted: Bool
    }

    private let folder: URL
    private var numbers: SplitMix64
    private var ends: [End: Int] = [:]
    private var stores = 0
    private var seconds = 0.0
    private var seed: UInt64

    init(folder: URL, seed: UInt64) {
        (self.folder, self.seed) = (folder, seed)
        numbers = SplitMix64(seed: seed)
    }

    /// One line that says what was done.
    var summary: String {
        let counts = End.allCases.map { "\(ends[$0] ?? 0)" }
        return
            "\(ends.values.reduce(0, +)) kills (\(counts[0]) from outside, \(counts[1]) before and \(counts[2]) after an "
            + "operation, \(counts[3]) with all that was not synced lost) of \(stores) stores, no violation, "
            + String(format: "%.0f s", seconds)
    }

    mutating func run(kills: Int) throws {
        let start = Date()
        while ends.values.reduce(0, +) < kills {
            try life(of: min(40, kills - ends.values.reduce(0, +)))
        }
        seconds = Date().timeIntervalSince(start)
    }

    /// One store, from its making through some kills.
    private mutating func life(of kills: Int) throws {
        let kind = Kind(
            cap: stores.isMultiple(of: 2) ? 0 : 12 << 20, isEncrypted: stores % 3 == 2)
        stores += 1
        let home = folder.appendingPathComponent("store-\(stores)")
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        var expected = Expected()
        for _ in 0..<kills {
            let end = End.allCases.randomElement(using: &numbers) ?? .outside
            try work(until: end, kind, in: home)
            try expected.read(journal: home.path + "/journal")
            if end == .powerCut { try cutPower(in: home) }
            let store = try ChunkStore.stressed(home.path + "/store", cap: kind.cap, isEncrypted: kind.isEncrypted)
            try expected.check(store, hasCap: kind.cap > 0)
            store.close()
            ends[end, default: 0] += 1
        }
        try FileManager.default.removeItem(at: home)
    }

    /// Starts a child and returns when it has been killed.
    private mutating func work(until end: End, _ kind: Kind, in home: URL) throws {
        seed &+= 1
        unlink(home.path + "/journal")
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        var arguments = [
            "work", "--store", home.path + "/store", "--journal", home.path + "/journal", "--seed", "\(seed)",
            "--cap", "\(kind.cap)",
        ]
        if kind.isEncrypted { arguments.append("--encrypted") }
        if end != .outside {
            arguments += ["--kill-at", "\(Int.random(in: 1...400, using: &numbers))"]
            if end == .after || Bool.random(using: &numbers) { arguments.append("--kill-after") }
        }
        if end == .powerCut { arguments += ["--shadow", home.path + "/shadow"] }
        child.arguments = arguments
        try child.run()
        if end == .outside {
            usleep(UInt32.random(in: 5_000...400_000, using: &numbers))
            kill(child.processIdentifier, SIGKILL)
        }
        child.waitUntilExit()
        guard child.terminationReason == .uncaughtSignal, child.terminationStatus == SIGKILL else {
            throw Violation(text: "the process ended by itself, with status \(child.terminationStatus)")
        }
    }

    /// Puts what a power cut would have left in the store's place.
    private func cutPower(in home: URL) throws {
        let (store, shadow) = (home.path + "/store", home.path + "/shadow")
        try FileManager.default.removeItem(atPath: store)
        guard fs_restore(shadow, store) else { throw Violation(text: "couldn't make \(store) of \(shadow)") }
        try FileManager.default.removeItem(atPath: shadow)
    }
}
