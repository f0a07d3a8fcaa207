// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraSidecar

@Suite struct `The socket that a server makes` {
    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    private func listen(_ path: String) -> Result<ListeningSocket, TesseraError> {
        Result { () throws(TesseraError) in try .unix(path: path, group: nil) }
    }

    @Test func `is its user's alone, and so is its folder`() throws {
        try withTemporaryDirectory { folder in
            let path = folder.appending(path: "run/tessera.sock").path
            let socket = try listen(path).get()
            #expect(try mode(path) == 0o600)
            #expect(try mode(folder.appending(path: "run").path) == 0o700)
            socket.removePath()
            #expect(!FileManager.default.fileExists(atPath: path))
            close(socket.descriptor)
        }
    }

    @Test(arguments: [(0o777, true), (0o770, true), (0o1777, false), (0o755, false), (0o700, false)])
    func `comes with a warning where others could put theirs in its place`(mode: Int, warns: Bool) throws {
        try withTemporaryDirectory { folder in
            let run = folder.appending(path: "run").path
            try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: false)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: run)
            let socket = try listen(run + "/tessera.sock").get()
            close(socket.descriptor)
            #expect((socket.caveat != nil) == warns)
            #expect(socket.caveat?.contains(run) ?? true)
            // Nothing but the socket stays.
            #expect(try FileManager.default.contentsOfDirectory(atPath: run) == ["tessera.sock"])
        }
    }

    @Test func `takes the place of one that nobody listens at`() throws {
        try withTemporaryDirectory { folder in
            let path = folder.appending(path: "run/tessera.sock").path
            close(try listen(path).get().descriptor)
            close(try listen(path).get().descriptor)
            try FileManager.default.removeItem(atPath: path)
            try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
            guard case .failure(let error) = listen(path) else {
                Issue.record("a file was replaced")
                return
            }
            #expect(error.code == .invalidInput)
        }
    }

    @Test func `is one server's, however many begin at once`() throws {
        try withTemporaryDirectory { folder in
            let path = folder.appending(path: "run/tessera.sock").path
            for _ in 0..<20 {
                let outcomes = Mutex<[Result<ListeningSocket, TesseraError>]>([])
                DispatchQueue.concurrentPerform(iterations: 6) { _ in
                    let outcome = listen(path)
                    outcomes.withLock { $0.append(outcome) }
                }
                let sockets = outcomes.withLock { $0.compactMap { try? $0.get() } }
                #expect(sockets.count == 1)
                let refusals = outcomes.withLock { outcomes in
                    outcomes.compactMap { outcome -> TesseraError.Code? in
                        if case .failure(let error) = outcome { error.code } else { nil }
                    }
                }
                #expect(refusals == Array(repeating: .locked, count: 5))
                for socket in sockets { close(socket.descriptor) }
            }
        }
    }
}
