// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
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
    func machineRates() -> MachineRates {
        if let known = rates.rates { return known }
        let bytes = trusted("what was measured of this machine") { () throws(TesseraError) in
            try store.asset(rates.asset)
        }
        let known = bytes.flatMap { try? JSONDecoder().decode(MachineRates.self, from: Data($0)) } ?? MachineRates()
        rates.rates = known
        return known
    }

    /// Learns from a piece of work.
    func learn(_ change: (inout MachineRates) -> Void) {
        var known = machineRates()
        change(&known)
        rates.rates = known
        rates.unsaved += 1
    }

    /// Learns from a run over tokens that all went through all layers.
    func learn(rows: Int, keys: Int, seconds: Double) {
        let work = PrefillWork(rows: Array(repeating: rows, count: model.layout.layers), keys: keys)
        learn { $0.learn(work, seconds: seconds) }
    }

    /// Writes what was learned, once it is worth a write.
    func saveRates(after pieces: Int = 1) {
        guard rates.unsaved >= pieces, let known = rates.rates, let data = try? JSONEncoder().encode(known) else {
            return
        }
        rates.unsaved = 0
        do throws(TesseraError) {
            try store.setAsset(rates.asset, Array(data))
        } catch {
            log.debug("what was measured of this machine is not kept: \(error.message)")
        }
    }
}
