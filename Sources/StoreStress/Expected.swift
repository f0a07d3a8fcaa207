// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraStore

/// What a store must hold, as far as it follows from the journal.
struct Expected {
    /// Records that are there for certain; under a cap they may have been given up since.
    private var there: Set<Int> = []
    private var asset: String?
    /// What was under way when the process was killed.
    private var pending: (what: Character, records: [Int])?

    /// Takes in what a process wrote down before it was killed.
    mutating func read(journal path: String) throws {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        pending = nil
        for line in text.split(separator: "\n") {
            let records = line.dropFirst().split(separator: " ").compactMap { Int($0) }
            switch line.first {
            case "!": throw Violation(text: String(line))
            case "~": there.subtract(records)
            case "o": settle()
            default: pending = line.first.map { ($0, records) }
            }
        }
    }

    private mutating func settle() {
        switch pending?.what {
        case "+": there.formUnion(pending?.records ?? [])
        case "-": there.subtract(pending?.records ?? [])
        case "=": asset = pending?.records.first.map(String.init)
        default: break
        }
        pending = nil
    }

    /// Compares a store with what it must hold, and takes over what it holds.
    mutating func check(_ store: ChunkStore, hasCap: Bool) throws {
        var found: Set<Int> = []
        for number in 0..<StressRecord.count where try isWhole(number, in: store) { found.insert(number) }
        let moving = Set(pending?.records ?? [])
        let lost = there.subtracting(found).subtracting(pending?.what == "-" ? moving : [])
        if !hasCap, let number = lost.min() { throw Violation(text: "record \(number) was acknowledged and is gone") }
        let extra = found.subtracting(there).subtracting(pending?.what == "+" ? moving : [])
        if let number = extra.min() {
            throw Violation(text: "record \(number) was removed, or never put, and is there")
        }
        try checkAtomic(moving, found, hasCap: hasCap)
        try checkAsset(store)
        let statistics = try store.statistics()
        guard statistics.damaged == 0, statistics.failedReads == 0 else {
            throw Violation(text: "\(statistics.damaged) records damaged, \(statistics.failedReads) reads failed")
        }
        guard statistics.records == found.count else {
            throw Violation(text: "the catalog has \(statistics.records) records and the store \(found.count)")
        }
        if hasCap, try store.diskUsage() > store.diskCap {
            throw Violation(text: "\(try store.diskUsage()) bytes exceed the cap of \(store.diskCap)")
        }
        (there, pending) = (found, nil)
    }

    /// A batch that was under way happened wholly or not at all.
    private func checkAtomic(_ moving: Set<Int>, _ found: Set<Int>, hasCap: Bool) throws {
        switch pending?.what {
        case "+":
            let fresh = moving.subtracting(there)
            // Of a batch's own records none is given up for it, but of those that were there before, some may be.
            guard fresh.isSubset(of: found) || fresh.isDisjoint(with: found) else {
                throw Violation(text: "a batch is there in part")
            }
        case "-":
            let known = moving.intersection(there)
            guard known.isSubset(of: found) || known.isDisjoint(with: found) || hasCap else {
                throw Violation(text: "a removal happened in part")
            }
        default: break
        }
    }

    private mutating func checkAsset(_ store: ChunkStore) throws {
        let value = try store.asset("last").map { String(decoding: $0, as: UTF8.self) }
        let allowed = pending?.what == "=" ? [asset, pending?.records.first.map(String.init)] : [asset]
        guard allowed.contains(value) else { throw Violation(text: "the asset is \(value ?? "gone")") }
        asset = value
    }

    /// Whether a record is there, bit for bit; anything between whole and gone is a violation.
    private func isWhole(_ number: Int, in store: ChunkStore) throws -> Bool {
        let record = StressRecord.record(number)
        guard let chunk = try store.lookup(record.key, fingerprint: record.fingerprint, tokens: record.tokens) else {
            return false
        }
        guard let loaded = try store.load(chunk) else {
            throw Violation(text: "record \(number) is there and can't be loaded")
        }
        for layer in record.layers.indices where loaded.withLayer(layer, { [UInt8]($0) }) != record.layers[layer] {
            throw Violation(text: "record \(number) has other bytes in layer \(layer)")
        }
        if record.provenance == .contextual {
            let variants = try store.variants(
                of: record.chunk, fingerprint: record.fingerprint, tokens: record.tokens)
            guard variants.contains(where: { $0.key == record.key && $0.statistics == record.statistics }) else {
                throw Violation(text: "variant \(number) has lost its small record")
            }
        }
        return true
    }
}
