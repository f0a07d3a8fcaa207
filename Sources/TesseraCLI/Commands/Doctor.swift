// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraKV
import TesseraRuntime
import TesseraStore

/// `tessera doctor`: whether everything that Tessera needs is here.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at libraries, processor, disk, limits and store, and say what is wrong.")

    @OptionGroup var storeOptions: StoreFolderOptions

    @Option(
        name: .shortAndLong, help: "A model, to compare its fingerprint with those in the store.",
        completion: .file(extensions: ["gguf"]))
    var model: String?

    @Flag(help: "Print the findings as JSON.")
    var json = false

    func run() async throws {
        var findings = [
            Finding("kernels", .ok, Machine.kernels), Finding("oneDNN", .ok, Machine.oneDNN),
            Finding("OpenBLAS", .ok, Machine.openBLAS), Finding("zstd", .ok, StoreCodec.zstdVersion),
        ]
        findings += StoreDoctor.libraries()
        let process = ProcessInfo.processInfo
        findings.append(
            Finding(
                "machine", .ok,
                "\(process.activeProcessorCount) cores, \(readable(bytes: Int(process.physicalMemory))) of memory"))
        findings += StoreDoctor.limits() + StoreDoctor.disk(storeOptions.folder)
        var fingerprint: Fingerprint?
        if let model {
            do { fingerprint = try self.fingerprint(of: model) } catch let error as TesseraError {
                findings.append(Finding("model", .problem, error.message))
            }
        }
        findings += StoreDoctor.store(
            storeOptions.folder, options: try storeOptions.options(), fingerprint: fingerprint)
        try Console.line(json ? try TesseraCLI.json(findings) : text(findings))
        let problems = findings.filter { $0.level == .problem }
        guard problems.isEmpty else {
            throw TesseraError(.io, "\(problems.count) problems: \(problems.map(\.name).joined(separator: ", "))")
        }
    }

    /// The fingerprint that chunks of a model have with the options that are used unless others are named.
    private func fingerprint(of model: String) throws -> Fingerprint {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-doctor-\(getpid())")
        defer { try? FileManager.default.removeItem(at: folder) }
        return try ContextCache(model: model, store: folder.path).fingerprint
    }

    private func text(_ findings: [Finding]) -> String {
        findings.map { finding in
            let name = finding.name.padding(toLength: 14, withPad: " ", startingAt: 0)
            return "\(finding.level.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)) \(name) \(finding.text)"
        }.joined(separator: "\n")
    }
}
