// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation

/// `store-stress`: a chunk store that is worked on and killed, over and over, and looked at in between.
@main struct StressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store-stress",
        abstract: "Kill a process at work on a chunk store, over and over, or hammer one, and check what is left.",
        discussion: """
            What was acknowledged is there bit for bit, what is there is whole, what was removed or given up is gone; and \
            the same when everything that was not synced is lost.
            """,
        subcommands: [Run.self, Hammer.self, Work.self], defaultSubcommand: Run.self)
}

/// The parent: kills and checks.
struct Run: ParsableCommand {
    @Option(help: "How often a process is killed.")
    var kills = 500

    @Option(help: "Everything follows from it but the moments of the kills from outside.")
    var seed: UInt64 = 1

    @Option(help: "A folder for the stores; a new one in the temporary folder by default.")
    var folder: String?

    func validate() throws {
        guard kills >= 1 else { throw ValidationError("--kills is at least 1") }
    }

    func run() throws {
        let place =
            folder.map { URL(fileURLWithPath: $0) }
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("store-stress-\(getpid())")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        var stress = Stress(folder: place, seed: seed)
        do { try stress.run(kills: kills) } catch let violation as Violation {
            print("violation: \(violation.text)\nthe store is kept in \(place.path)")
            throw ExitCode.failure
        }
        if folder == nil { try FileManager.default.removeItem(at: place) }
        print(stress.summary)
    }
}

/// The child: works until it is killed.
struct Work: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Option var store: String
    @Option var journal: String
    @Option var seed: UInt64
    @Option var cap: Int
    @Flag var encrypted = false
    @Option var killAt: Int = 0
    @Flag var killAfter = false
    @Option var shadow: String?

    func run() throws {
        let worker = try Worker(
            store: store, journal: journal, seed: seed, cap: cap, isEncrypted: encrypted, shadow: shadow,
            killAt: killAt, killAfter: killAfter)
        try worker.run()
    }
}

/// What must not be, and was found.
struct Violation: Error {
    var text: String
}
