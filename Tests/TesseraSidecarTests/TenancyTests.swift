// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraSidecar

struct `who a request belongs to` {
    private func token(_ text: String, in folder: URL, mode: Int = 0o600) throws -> String {
        let file = folder.appendingPathComponent("\(UUID()).token")
        try Data(text.utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        return file.path
    }

    @Test func `is decided by the user that connects`() throws {
        let tenancy = try Tenancy(
            [Tenant(name: "ours"), Tenant(name: "a", users: [1001, 1002]), Tenant(name: "b", users: [1003])], own: 500)
        func name(_ uid: UInt32) throws -> String { try tenancy.tenant(of: .user(uid), authorization: nil).name }
        #expect(try name(1002) == "a" && name(1003) == "b" && name(500) == "ours" && name(0) == "ours")
        #expect(throws: Tenancy.Refusal.forbidden) { try name(1004) }
    }

    @Test func `is decided by the token over the network`() throws {
        try withTemporaryDirectory { folder in
            let file = try token("sesame-sesame-sesame\n", in: folder)
            let tenancy = try Tenancy([Tenant(name: "ours"), Tenant(name: "a", tokenFile: file)], own: 500)
            func name(_ header: String?) throws -> String {
                try tenancy.tenant(of: .network, authorization: header).name
            }
            #expect(try name("Bearer sesame-sesame-sesame") == "a" && name("bearer sesame-sesame-sesame") == "a")
            for wrong in [nil, "", "Bearer", "Bearer ", "Bearer sesame", "Basic sesame-sesame-sesame"] {
                #expect(throws: Tenancy.Refusal.unauthenticated) { try name(wrong) }
            }
            // A user of a Unix socket who is on no list may show a token instead.
            #expect(
                try tenancy.tenant(of: .user(77), authorization: "Bearer sesame-sesame-sesame").name == "a")
        }
    }

    @Test func `is refused where it would not be clear or not be safe`() throws {
        try withTemporaryDirectory { folder in
            let file = try token("sesame-sesame-sesame", in: folder)
            let open = try token("open-open-open-open-open", in: folder, mode: 0o644)
            let short = try token("short", in: folder)
            let bad: [[Tenant]] = [
                [Tenant(name: "a"), Tenant(name: "a")],
                [Tenant(name: "a", users: [1]), Tenant(name: "b", users: [1])],
                [Tenant(name: "a", tokenFile: file), Tenant(name: "b", tokenFile: file)],
                [Tenant(name: "a", tokenFile: open)], [Tenant(name: "a", tokenFile: short)],
                [Tenant(name: "a", tokenFile: "/nowhere")], [Tenant(name: "")], [Tenant(name: "a,b")],
            ]
            for tenants in bad { #expect(throws: TesseraError.self) { try Tenancy(tenants, own: 1) } }
        }
    }

    @Test func `has a scope that a salt makes unguessable, and that stays the same`() {
        #expect(Tenant(name: "a").namespace == "a")
        let salted = Tenant(name: "a", salt: "pepper").namespace
        #expect(salted.hasPrefix("a~") && salted.count == 18)
        #expect(salted == Tenant(name: "a", salt: "pepper").namespace)
        #expect(salted != Tenant(name: "a", salt: "paprika").namespace)
    }
}
