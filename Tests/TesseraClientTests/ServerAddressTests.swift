// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TesseraClient

struct `a server's address` {
    @Test(arguments: [
        "/run/tessera.sock", "relative.Sock", "/tmp/a b/ü", "/tmp/e\u{301}", "/tmp/%2F?#[]@:", "/tmp/🧩", "/tmp/a%20b",
    ])
    func `keeps the path of a socket as it is`(_ path: String) throws {
        let address = try ServerAddress(socket: path, token: nil)
        let host = try #require(URL(string: address.base + "/v1/models")?.host)
        #expect(Array(host.utf8) == Array(path.utf8))
        #expect(address.name == path)
    }

    @Test(arguments: ["", "a\0b", "/" + String(repeating: "x", count: 107)])
    func `is no path that can't be a socket's`(_ path: String) {
        let error = #expect(throws: TesseraClientError.self) { try ServerAddress(socket: path, token: nil) }
        #expect(error?.kind == .invalidInput)
    }

    @Test(arguments: [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"), ("http://localhost:1/", "http://localhost:1"),
        ("HTTP://[::1]:80", "HTTP://[::1]:80"), ("https://host/tessera//", "https://host/tessera"),
    ])
    func `is a URL without a slash at its end`(_ url: String, _ base: String) throws {
        #expect(try ServerAddress(url: url, token: nil).base == base)
    }

    @Test(arguments: [
        "", "127.0.0.1:8080", "localhost:8080", "ftp://host", "http://", "http:///v1", "http://host?x=1",
        "http://host#x", "unix:///run/socket", "http://a b",
    ])
    func `is no URL of another kind`(_ url: String) {
        let error = #expect(throws: TesseraClientError.self) { try ServerAddress(url: url, token: nil) }
        #expect(error?.kind == .invalidInput && error?.message.contains("\"\(url)\"") == true)
    }

    @Test func `does not give secrets away`() {
        let user = #expect(throws: TesseraClientError.self) {
            try ServerAddress(url: "http://me:secret@host", token: nil)
        }
        #expect(user?.kind == .invalidInput && user?.message.contains("secret") == false)
        for token in ["", " \n", "secret\r\nhost: x", "secret word", "sécret"] {
            let error = #expect(throws: TesseraClientError.self) { try ServerAddress(socket: "/s", token: token) }
            #expect(error?.kind == .invalidInput && error?.message.contains("cret") == false)
        }
    }
}
