// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import NIOHTTP1
import TesseraAPI
import Testing

@testable import TesseraClient

struct `a request` {
    private let socket = Result { try ServerAddress(socket: "/run/tessera.sock", token: nil) }

    @Test(arguments: [
        ("0af9", "0af9"), ("a-b_c.d~e", "a-b_c.d~e"), ("a b", "a%20b"), ("a/b", "a%2Fb"), ("ü?#", "%C3%BC%3F%23"),
        ("a%2Fb", "a%252Fb"), ("+&=", "%2B%26%3D"), (".", "%2E"), ("..", "%2E%2E"), ("...", "..."), ("\n", "%0A"),
    ])
    func `has ids in its path that change nothing of it`(_ id: String, _ encoded: String) throws {
        #expect(try APIRequest.get("v1", "jobs", id, "events").target == "/v1/jobs/\(encoded)/events")
    }

    @Test func `needs ids that are not empty`() throws {
        let error = #expect(throws: TesseraClientError.self) { try APIRequest.delete("v1", "leases", "") }
        #expect(error?.kind == .invalidInput && error?.message.contains("DELETE /v1/leases/") == true)
    }

    @Test func `has the fields of its query that are there`() throws {
        let query: [(name: String, value: String?)] = [("kind", nil), ("limit", "7"), ("producer", "vLLM & co")]
        let target = try APIRequest.get("v1", "chunks", query: query).target
        #expect(target == "/v1/chunks?limit=7&producer=vLLM%20%26%20co")
        #expect(try APIRequest.get("v1", "chunks", query: [("kind", nil)]).target == "/v1/chunks")
    }

    @Test func `is a JSON object with its type`() throws {
        let request = try APIRequest.post("v1", "chunks", "pin", json: ChunkIDs(ids: ["a"]))
        #expect(request.name == "POST /v1/chunks/pin")
        #expect(request.body?.bytes == Data(#"{"ids":["a"]}"#.utf8))
        let sent = request.addressed(to: try socket.get())
        #expect(sent.method == .POST && sent.url == "http+unix://%2Frun%2Ftessera.sock/v1/chunks/pin")
        #expect(sent.headers["content-type"] == ["application/json"] && sent.headers["accept"] == ["application/json"])
        #expect(sent.headers["host"] == ["localhost"] && sent.headers["authorization"] == [])
    }

    @Test func `can't have numbers that are none`() throws {
        let error = #expect(throws: TesseraClientError.self) {
            try APIRequest.post("v1", "leases", "a", "renew", json: RenewRequest(seconds: .nan))
        }
        #expect(error?.kind == .invalidInput && error?.message.contains("POST /v1/leases/a/renew") == true)
    }

    @Test func `shows the token of its server`() throws {
        let address = try ServerAddress(url: "http://127.0.0.1:8080", token: " sesame\n")
        let sent = try APIRequest.get("metrics", wanted: .anything).addressed(to: address)
        #expect(sent.url == "http://127.0.0.1:8080/metrics" && sent.headers["authorization"] == ["Bearer sesame"])
        #expect(sent.headers["accept"] == ["*/*"] && sent.headers["host"] == [] && sent.body == nil)
    }
}
