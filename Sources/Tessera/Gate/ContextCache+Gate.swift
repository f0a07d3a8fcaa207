// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// What the quality gate has to say in how a prompt is assembled.
enum Gating: Sendable {
    /// Nothing.
    case ungated
    /// Only what it has passed may be used.
    case passed
    /// The same, and the cost model may take a faster way or a higher ratio.
    case free
}

extension ContextCache {
    /// What the model's quality gate has passed in this store; nil where none was run or nothing of it counts here.
    public func gateRecord() -> GateRecord? {
        if let known = gate { return known }
        let bytes = trusted("the gate's record") { () throws(TesseraError) in try store.asset(gateAsset) }
        var record: GateRecord?
        if let bytes {
            do throws(TesseraError) {
                record = try accepted(Array(bytes))
            } catch {
                log.warning("\(error.message)")
            }
        }
        gate = .some(record)
        return record
    }

    /// Signs a record: from now on requests go by it.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a record of another model or suite.
    public func sign(_ record: GateRecord) throws(TesseraError) {
        try check(record)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(record) else {
            throw TesseraError(.invalidInput, "the gate's record holds numbers that are none")
        }
        try store.setAsset(gateAsset, Array(data))
        gate = .some(record)
    }

    /// Takes a record over that was signed elsewhere for the same model and suite.
    ///
    /// - Parameter json: The record as `tessera gate --json` prints it.
    /// - Throws: ``TesseraError`` of code `invalidInput` for bytes that are no record, or one of another model or suite.
    @discardableResult
    public func sign(json: [UInt8]) throws(TesseraError) -> GateRecord {
        let record = try accepted(json)
        try sign(record)
        return record
    }

    private var gateAsset: String { "gate/\(fingerprintDigest.description.prefix(32))" }

    private func accepted(_ bytes: [UInt8]) throws(TesseraError) -> GateRecord {
        guard let record = try? JSONDecoder().decode(GateRecord.self, from: Data(bytes)) else {
            throw TesseraError(.invalidInput, "this is no record of a quality gate; run `tessera gate`")
        }
        try check(record)
        return record
    }

    private func check(_ record: GateRecord) throws(TesseraError) {
        guard record.version == GateRecord.version else {
            throw TesseraError(.invalidInput, "the gate's record has another version; run `tessera gate` again")
        }
        guard record.fingerprint == fingerprintDigest.description else {
            throw TesseraError(
                .invalidInput,
                "the gate's record was signed for another model, precision or recipe (\(record.model)); run `tessera gate`"
            )
        }
        guard record.suite == QualitySuite.digest else {
            throw TesseraError(
                .invalidInput, "the gate's record was signed with another suite of questions; run `tessera gate` again")
        }
        try record.validate(layers: model.layout.layers)
    }

    /// In how many contexts a chunk's scores must have been seen; nil where the gate has nothing to say.
    func leastPasses(_ gating: Gating) -> Int? {
        gating == .ungated ? nil : gateRecord()?.scorePasses ?? 0
    }

    /// The assembly of a request, as far as the gate decides it.
    ///
    /// - Parameter framed: Whether the prompt shows screenshots.
    func gatedAssembly(_ options: AnswerOptions, framed: Bool = false) throws(TesseraError) -> (
        assembly: Assembly, gating: Gating, reason: String
    ) {
        guard !framed else {
            guard options.assembly ?? .exact == .exact else {
                throw TesseraError(
                    .unsupported, "screenshots are computed with their prompt; ask with --assembly exact")
            }
            return (.exact, .ungated, "screenshots are computed with their prompt")
        }
        if let wanted = options.assembly {
            guard wanted != .exact, !options.ungated else { return (wanted, .ungated, "it was asked for") }
            guard gateRecord()?.passes(wanted, kind: options.kind) == true else {
                throw TesseraError(.invalidInput, refusal(of: wanted, kind: options.kind))
            }
            return (wanted, .passed, "it was asked for, and the quality gate has passed it")
        }
        guard let record = gateRecord() else {
            sayUngated(
                "answers are exact: this model has no quality gate in this store yet; run `tessera gate` to let stored "
                    + "chunks be used")
            return (.exact, .passed, "no quality gate has passed for this model")
        }
        guard let best = record.best(for: options.kind) else {
            let reason =
                record.isNarrow && options.kind == nil
                ? "the quality gate was signed for \(record.kinds.joined(separator: ", ")) only, and the request names no "
                    + "kind" : "the quality gate has passed nothing for \(options.kind ?? "all kinds")"
            sayUngated("answers are exact: \(reason)")
            return (.exact, .passed, reason)
        }
        return (best.assembly, .free, "the quality gate has passed it")
    }

    private func refusal(of assembly: Assembly, kind: String?) -> String {
        let way = "ask with --assembly exact, or take the risk with --ungated"
        guard let record = gateRecord() else {
            return
                "this model has no quality gate in this store, so \(assembly.name) KV is not used: run `tessera gate`, "
                + way
        }
        if record.isNarrow, kind == nil {
            return "the quality gate was signed for \(record.kinds.joined(separator: ", ")) only: name the question's "
                + "kind, \(way)"
        }
        let wanted = kind.map { [$0] } ?? record.kinds
        let passed = record.methods.filter { Set(wanted).isSubset(of: $0.kinds) }.map(\.assembly.label)
        let names = passed.isEmpty ? "" : ", but \(passed.joined(separator: "; "))"
        return
            "the quality gate has not passed \(assembly.label)\(kind.map { " for \($0)" } ?? "")\(names): \(way)"
    }

    private func sayUngated(_ text: String) {
        guard !hasSaidUngated else { return }
        hasSaidUngated = true
        log.notice("\(text)")
    }
}
