// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TesseraAPI
import Testing

@testable import TesseraClient

struct `an error` {
    private let request = Result { try APIRequest.get("v1", "models") }

    private func error(_ cause: any Error, options: TesseraClientOptions = .init()) throws -> TesseraClientError {
        let address = try ServerAddress(socket: "/run/a b.sock", token: nil)
        return TesseraClientError(cause, try request.get(), address, options)
    }

    private static let system: [(CInt, TesseraClientError.Kind)] = [
        (ENOENT, .unreachable), (ECONNREFUSED, .unreachable), (EACCES, .unreachable), (EAGAIN, .unreachable),
        (ENOTSOCK, .unreachable), (ECONNRESET, .interrupted), (EPIPE, .interrupted),
    ]

    @Test(arguments: system)
    func `of the system names the socket`(_ errno: CInt, _ kind: TesseraClientError.Kind) throws {
        let error = try error(IOError(errnoCode: errno, reason: "connect"))
        #expect(error.kind == kind && error.message.contains("/run/a b.sock"))
    }

    private static let connection: [(HTTPClientError, TesseraClientError.Kind)] = [
        (.connectTimeout, .unreachable), (.readTimeout, .timedOut),
        (.getConnectionFromPoolTimeout, .busy(retryAfter: nil)), (.alreadyShutdown, .closed), (.cancelled, .closed),
        (.remoteConnectionClosed, .interrupted), (.uncleanShutdown, .interrupted),
    ]

    @Test(arguments: connection)
    func `of a connection has its kind`(_ cause: HTTPClientError, _ kind: TesseraClientError.Kind) throws {
        #expect(try error(cause).kind == kind)
    }

    @Test func `of anything else has its kind`() throws {
        let options = TesseraClientOptions(mostAnswerBytes: 77)
        #expect(try error(CancellationError()).kind == .cancelled)
        #expect(try error(ChannelError.connectTimeout(.seconds(1))).kind == .unreachable)
        #expect(try error(HTTPParserError.invalidConstant).kind == .malformedAnswer)
        let large = try error(NIOTooManyBytesError(maxBytes: 77), options: options)
        #expect(large.kind == .tooLarge && large.message.contains("77") && large.message.contains("GET /v1/models"))
        #expect(try error(ServerSentEventParser.EventTooLarge()).kind == .tooLarge)
        struct Odd: Error {}
        #expect(try error(Odd()).kind == .interrupted)
    }

    @Test(arguments: [nil, "", "soon", "-1", "inf", "nan", "Wed, 21 Oct 2026 07:28:00 GMT"])
    func `of a busy server has a time to wait only if there is one`(_ header: String?) throws {
        let address = try ServerAddress(socket: "/s", token: nil)
        func kind(_ header: String?) throws -> TesseraClientError.Kind {
            TesseraClientError(status: 429, retryAfter: header, nil, try request.get(), address).kind
        }
        #expect(try kind(header) == .busy(retryAfter: nil))
        #expect(try kind("2") == .busy(retryAfter: 2))
    }

    @Test func `of an answer says which field is wrong`() throws {
        func message(_ json: String) throws -> String {
            do {
                _ = try APICoding.decoder.decode(ListOf<ModelInfo>.self, from: Data(json.utf8))
                return ""
            } catch {
                return TesseraClientError(undecodable: error, try request.get()).message
            }
        }
        #expect(try message(#"{"object":"list"}"#).contains("data is missing"))
        #expect(try message(#"{"object":"list","data":[{"id":7}]}"#).contains("data[0].id has another type"))
        #expect(try message("<html>").contains("it is no JSON"))
    }
}
