// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import TesseraAPI

/// A request, before it is known where it goes.
struct APIRequest: Sendable {
    /// What is wanted in return.
    enum Wanted: String, Sendable {
        case json = "application/json"
        case events = "text/event-stream"
        case anything = "*/*"
    }

    /// What is sent along.
    struct Body: Sendable {
        let type: String
        let bytes: Data
    }

    let method: HTTPMethod
    /// The path and the query, percent-encoded.
    let target: String
    private(set) var body: Body?
    private(set) var wanted = Wanted.json

    private init(
        _ method: HTTPMethod, _ path: [String], query: [(name: String, value: String?)] = []
    ) throws(TesseraClientError) {
        guard !path.contains("") else {
            throw TesseraClientError(
                .invalidInput, "an id is empty, and \(method) /\(path.joined(separator: "/")) needs one")
        }
        let fields = query.compactMap { name, value in value.map { "\(name)=\($0.percentEncoded)" } }
        self.method = method
        target =
            path.map { "/\($0.percentEncoded)" }.joined() + (fields.isEmpty ? "" : "?" + fields.joined(separator: "&"))
    }

    /// Asks for something, by the parts of its path.
    static func get(
        _ path: String..., query: [(name: String, value: String?)] = [], wanted: Wanted = .json
    ) throws(TesseraClientError) -> APIRequest {
        var request = try APIRequest(.GET, path, query: query)
        request.wanted = wanted
        return request
    }

    /// Sends a value in JSON.
    static func post(
        _ path: String..., json value: some Encodable, wanted: Wanted = .json
    ) throws(TesseraClientError) -> APIRequest {
        var request = try APIRequest(.POST, path)
        request.wanted = wanted
        do {
            request.body = Body(type: "application/json", bytes: try APICoding.encoder.encode(value))
        } catch {
            // JSON has all that requests are made of but numbers that are none.
            throw TesseraClientError(
                .invalidInput, "\(request.name) can't be written in JSON: a number in it is infinite or none")
        }
        return request
    }

    /// Sends bytes as they are.
    static func post(_ path: String..., bytes: Data) throws(TesseraClientError) -> APIRequest {
        var request = try APIRequest(.POST, path)
        request.body = Body(type: "application/octet-stream", bytes: bytes)
        return request
    }

    /// Asks for something to be done that needs no more words.
    static func post(_ path: String...) throws(TesseraClientError) -> APIRequest {
        try APIRequest(.POST, path)
    }

    /// Asks for something to be removed.
    static func delete(_ path: String...) throws(TesseraClientError) -> APIRequest {
        try APIRequest(.DELETE, path)
    }

    /// What people call it.
    var name: String { "\(method) \(target)" }

    /// The request to a server, as it is sent.
    func addressed(to server: ServerAddress) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: server.base + target)
        request.method = method
        request.headers = ["accept": wanted.rawValue, "user-agent": "tessera-client"]
        // A socket has no name of its own, and HTTP/1.1 wants one.
        if server.socket != nil { request.headers.add(name: "host", value: "localhost") }
        if let token = server.token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "content-type", value: body.type)
            request.body = .bytes(body.bytes)
        }
        return request
    }
}
