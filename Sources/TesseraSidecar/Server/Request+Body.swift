// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import NIOFoundationCompat
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import TesseraAPI

extension SidecarState {
    /// A request's body, bounded in size and time.
    ///
    /// - Parameter onArrival: Told of each part's bytes before it is kept.
    /// - Throws: ``APIFailure`` of status 413 for one that is too large. One that takes too long is not heard to its end.
    func bytes(
        _ request: Request, _ context: SidecarContext, upTo limit: Int,
        onArrival: (_ count: Int) throws -> Void = { _ in }
    ) async throws -> ByteBuffer {
        if let stated = request.headers[.contentLength].flatMap({ Int($0) }), stated > limit {
            throw APIFailure.tooLarge
        }
        if request.headers[.expect]?.lowercased() == "100-continue" {
            // RFC 9110, section 10.1.1: this client holds its body back until it is told that somebody wants it.
            context.channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)), promise: nil)
        }
        let wait = slowRequests.begin(context.channel)
        defer { slowRequests.end(wait) }
        do {
            var whole = ByteBuffer()
            for try await var part in request.body {
                guard whole.readableBytes + part.readableBytes <= limit else { throw APIFailure.tooLarge }
                try onArrival(part.readableBytes)
                whole.writeBuffer(&part)
            }
            return whole
        } catch let error as APIFailure {
            throw error
        } catch let error as HTTPParserError {
            throw error
        } catch {
            throw APIFailure(.badRequest, "the body ends before its end", code: "invalidInput")
        }
    }

    /// A request's body as a value in JSON. What it takes is counted as it comes, so that one who only says that he will
    /// send much takes nothing from others.
    func body<Value: Decodable & Sendable>(
        _ type: Value.Type, _ request: Request, _ context: SidecarContext
    ) async throws -> Value {
        var held = 0
        defer { bodies.giveBack(held) }
        let bytes = try await bytes(request, context, upTo: configuration.mostBodyBytes) { count in
            try self.bodies.take(count)
            held += count
        }
        guard bytes.readableBytes > 0 else {
            throw APIFailure(.badRequest, "the body is empty; it should be a JSON object", code: "invalidInput")
        }
        let data = Data(buffer: bytes, byteTransferStrategy: .noCopy)
        guard data.count > Self.largeBody else { return try APICoding.sharedDecoder.decode(type, from: data) }
        // It takes seconds, and the cooperative pool has no thread to spare for that long.
        return try await withCheckedThrowingContinuation { caller in
            Self.largeBodies.async {
                caller.resume(with: Result { try APICoding.sharedDecoder.decode(type, from: data) })
            }
        }
    }

    /// The same for an object that takes no fields but its own.
    func body<Value: ClosedFields & Sendable>(
        _ type: Value.Type, _ request: Request, _ context: SidecarContext
    ) async throws -> Value {
        try await body(Closed<Value>.self, request, context).value
    }

    private static let largeBodies = DispatchQueue(label: "tessera.large-bodies")
    private static let largeBody = 256 << 10
}

extension Response {
    /// A value in JSON.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        guard let data = try? APICoding.sharedEncoder.encode(value) else {
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
