// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import NIOFoundationCompat
internal import TesseraAPI

/// Server-sent events, each a value in JSON.
struct EventStream {
    private(set) var writer: any ResponseBodyWriter

    /// Writes an event.
    mutating func send(_ value: some Encodable) async throws {
        var buffer = ByteBuffer(string: "data: ")
        try buffer.writeBytes(APICoding.sharedEncoder.encode(value))
        buffer.writeStaticString("\n\n")
        try await writer.write(buffer)
    }

    /// Writes the event that ends OpenAI's streams.
    mutating func sendDone() async throws {
        try await writer.write(ByteBuffer(staticString: "data: [DONE]\n\n"))
    }

    /// A response of events.
    ///
    /// - Parameter body: Writes them. What it throws becomes the last event.
    static func response(_ body: @escaping @Sendable (inout EventStream) async throws -> Void) -> Response {
        let account = RequestAccount.current
        let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-cache"]
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                var events = EventStream(writer: writer)
                do {
                    try await body(&events)
                } catch {
                    // Whoever has hung up is not told, and it was not the server's fault.
                    account?.failed(Connection.current?.isGone == true ? CancellationError() : error)
                    try await events.send(APIErrorBody(error: APIFailure(error).detail))
                }
                try await writer.finish(nil)
            })
    }
}
