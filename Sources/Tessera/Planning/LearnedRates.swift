// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import Synchronization
internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// The rates of one model on this machine, and how much of them is not on disk yet.
struct LearnedRates: Sendable {
    /// The rates; nil as long as what the store has of them has not been read.
    var rates: MachineRates?
    /// Pieces of work learned from since they were last written.
    var unsaved = 0
    /// The name that the store keeps them under.
    let asset: String

    init(fingerprint: Digest256, threads: Int?) {
        let machine = "\(Self.processor), \(threads ?? ProcessInfo.processInfo.activeProcessorCount) threads"
        var digester = Digester()
        digester.add(machine)
        asset = "rates/\(fingerprint.description.prefix(16))/\(digester.digest().description.prefix(16))"
    }

    private static let processor: String = {
        let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line.map { String($0) } ?? "unknown processor"
    }()
}

extension ContextCache {
    /// What work costs on this machine, as far as it is known.
    nonisolated func machineRates() -> MachineRates {
        rates.withLock { rates in
            let known = known(rates)
            rates.rates = known
            return known
        }
    }

    /// Learns from a piece of work.
    nonisolated func learn(_ change: (inout MachineRates) -> Void) {
        rates.withLock { rates in
            var known = known(rates)
            change(&known)
            rates.rates = known
            rates.unsaved += 1
        }
    }

    /// Learns from a run over tokens that all went through all layers.
    nonisolated func learn(rows: Int, keys: Int, seconds: Double) {
        let work = PrefillWork(rows: Array(repeating: rows, count: model.layout.layers), keys: keys)
        learn { $0.learn(work, seconds: seconds) }
    }

    /// Writes what was learned, once it is worth a write.
    nonisolated func saveRates(after pieces: Int = 1) {
        let (asset, unsaved) = rates.withLock { rates -> (String, MachineRates?) in
            guard rates.unsaved >= pieces else { return (rates.asset, nil) }
            rates.unsaved = 0
            return (rates.asset, rates.rates)
        }
        guard let unsaved, let data = try? JSONEncoder().encode(unsaved) else { return }
        do throws(TesseraError) {
            try store.setAsset(asset, Array(data))
        } catch {
            log.debug("what was measured of this machine is not kept: \(error.message)")
        }
    }

    /// The rates in memory, or those that the store has.
    private nonisolated func known(_ rates: LearnedRates) -> MachineRates {
        if let known = rates.rates { return known }
        let bytes = trusted("what was measured of this machine") { () throws(TesseraError) in
            try store.asset(rates.asset)
        }
        return bytes.flatMap { try? JSONDecoder().decode(MachineRates.self, from: Data($0)) } ?? MachineRates()
    }
}
