// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import NIOFoundationCompat
internal import TesseraAPI

extension Request {
    /// The body, bounded in size and time.
    ///
    /// - Throws: ``APIFailure``: 413 for one that is too large, 408 for one that takes too long.
    func bytes(upTo limit: Int, within seconds: Double) async throws -> ByteBuffer {
        if let stated = headers[.contentLength].flatMap({ Int($0) }), stated > limit { throw APIFailure.tooLarge }
        return try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
            group.addTask { try await body.collect(upTo: limit) }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                throw APIFailure(.requestTimeout, "the body took longer than \(Int(seconds)) s", code: "invalidInput")
            }
            defer { group.cancelAll() }
            guard let bytes = try await group.next() else { throw CancellationError() }
            return bytes
        }
    }

    /// The body as a value in JSON.
    func json<Value: Decodable>(
        _ type: Value.Type, upTo limit: Int, within seconds: Double
    ) async throws -> Value {
        let bytes = try await bytes(upTo: limit, within: seconds)
        let data = Data(buffer: bytes, byteTransferStrategy: .noCopy)
        guard !data.isEmpty else {
            throw APIFailure(.badRequest, "the body is empty; it should be a JSON object", code: "invalidInput")
        }
        return try APICoding.decoder.decode(type, from: data)
    }
}

extension Response {
    /// A value in JSON.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        guard let data = try? APICoding.encoder.encode(value) else {
            // Numbers that are none are the one thing that JSON does not have.
            return Response(status: .internalServerError)
        }
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
    }

    /// Plain text.
    static func text(
        _ text: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
