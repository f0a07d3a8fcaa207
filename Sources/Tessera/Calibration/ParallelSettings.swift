// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import TesseraKV
internal import TesseraStore

/// APE's temperature and scale for one model, as they were measured.
public struct ParallelSettings: Sendable, Codable, Equatable {
    /// T, on the scores of contexts.
    public var temperature: Double
    /// S, on their log-mass.
    public var scale: Double
    /// KL(exact ‖ parallel) of the next token with them, mean over the prompts, in nats.
    public var kl: Double
    /// The same without them, with T = S = 1.
    public var plainKL: Double
    /// Prompts that they were measured on.
    public var prompts: Int

    /// Makes settings of all their parts.
    public init(temperature: Double, scale: Double, kl: Double, plainKL: Double, prompts: Int) {
        self.temperature = temperature
        self.scale = scale
        self.kl = kl
        self.plainKL = plainKL
        self.prompts = prompts
    }

    /// The assembly with them.
    public var assembly: Assembly { .parallel(temperature: temperature, scale: scale) }
}

extension ContextCache {
    /// What `tessera calibrate` measured for this model and recipe; nil before.
    public func parallelSettings() -> ParallelSettings? {
        let bytes = trusted("the calibration") { () throws(TesseraError) in try store.asset(calibrationAsset) }
        guard let bytes else { return nil }
        guard let settings = try? JSONDecoder().decode(ParallelSettings.self, from: Data(bytes)),
            (try? settings.assembly.validate(layers: model.layout.layers)) != nil
        else {
            log.warning("the calibration of parallel contexts can't be read; run `tessera calibrate` again")
            return nil
        }
        return settings
    }

    /// Keeps what was measured.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for settings out of range, and what the disk refuses.
    public func keep(_ settings: ParallelSettings) throws(TesseraError) {
        try settings.assembly.validate(layers: model.layout.layers)
        guard let data = try? JSONEncoder().encode(settings) else {
            throw TesseraError(.invalidInput, "the calibration holds numbers that are none")
        }
        try store.setAsset(calibrationAsset, Array(data))
    }

    private var calibrationAsset: String { "parallel/\(fingerprintDigest.description.prefix(32))" }
}
