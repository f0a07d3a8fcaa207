// SPDX-License-Identifier: Apache-2.0

import Foundation

/// One run of the built `tessera` command.
struct CommandRun {
    var status: Int32
    var output: String
    var errors: String

    /// Runs the command to its end.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        let process = try Self.start(arguments, environment: environment)
        // Both pipes are drained at once, because a full one would stop the command.
        let errors = DispatchQueue(label: "errors")
        nonisolated(unsafe) var errorData = Data()
        errors.async { errorData = process.errors.readDataToEndOfFile() }
        let outputData = process.output.readDataToEndOfFile()
        errors.sync {}
        process.process.waitUntilExit()
        status = process.process.terminationStatus
        output = String(decoding: outputData, as: UTF8.self)
        self.errors = String(decoding: errorData, as: UTF8.self)
    }

    /// Runs the command to its end.
    init(_ arguments: String...) throws {
        try self.init(arguments)
    }

    /// Runs the command to its end in a shell, with a redirection; what it printed is not kept.
    init(shell redirection: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "\"$@\" \(redirection)", "sh", Self.executable.path] + arguments
        (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
        try process.run()
        process.waitUntilExit()
        (status, output, errors) = (process.terminationStatus, "", "")
    }

    /// Starts the command and goes on.
    static func start(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (process: Process, output: FileHandle, errors: FileHandle) {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return (process, output.fileHandleForReading, errors.fileHandleForReading)
    }

    /// The command beside the test bundle.
    private static var executable: URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("tessera")
    }
}
