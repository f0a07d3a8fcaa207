// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import TesseraAPI

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// The connections to one server, and how requests go over them.
final class Transport: Sendable {
    let options: TesseraClientOptions
    private let address: Result<ServerAddress, TesseraClientError>
    private let http: HTTPClient

    init(_ address: Result<ServerAddress, TesseraClientError>, _ options: TesseraClientOptions) {
        (self.address, self.options) = (address, options)
        http = HTTPClient(configuration: .init(options))
    }

    deinit {
        // What is still open is closed in the background; after `close` this does nothing.
        http.shutdown { _ in }
    }

    /// Closes all connections.
    func close() async throws(TesseraClientError) {
        do {
            try await http.shutdown()
        } catch let error as HTTPClientError where error == .alreadyShutdown {
            return
        } catch {
            throw TesseraClientError(.interrupted, "the client's connections can't be closed: \(error)")
        }
    }

    // MARK: Answers

    /// Asks for a value in JSON.
    func value<Value: Decodable>(
        _ request: APIRequest, as type: Value.Type = Value.self
    ) async throws(TesseraClientError) -> Value {
        try decode(try await bytes(request), request)
    }

    /// Asks for a text.
    func text(_ request: APIRequest) async throws(TesseraClientError) -> String {
        String(decoding: try await bytes(request), as: UTF8.self)
    }

    /// Asks for bytes, or for something to be done.
    @discardableResult
    func bytes(_ request: APIRequest) async throws(TesseraClientError) -> Data {
        let response = try await open(request)
        do {
            return Data(try await response.body.collect(upTo: options.mostAnswerBytes).readableBytesView)
        } catch {
            throw failure(error, request)
        }
    }

    /// Asks for a stream of events.
    func events(_ request: APIRequest) async throws(TesseraClientError) -> HTTPClientResponse.Body {
        let response = try await open(request)
        guard response.headers.first(name: "content-type")?.hasPrefix(APIRequest.Wanted.events.rawValue) == true else {
            throw TesseraClientError(
                .malformedAnswer, "\(request.name) was answered with something else than a stream of events")
        }
        return response.body
    }

    /// Reads a value in JSON that came for a request.
    func decode<Value: Decodable>(_ data: Data, _ request: APIRequest) throws(TesseraClientError) -> Value {
        do {
            return try APICoding.decoder.decode(Value.self, from: data)
        } catch {
            throw TesseraClientError(undecodable: error, request)
        }
    }

    /// What it means that a request failed so.
    func failure(_ cause: any Error, _ request: APIRequest) -> TesseraClientError {
        do throws(TesseraClientError) {
            return TesseraClientError(cause, request, try address.get(), options)
        } catch {
            return error
        }
    }

    // MARK: Steps

    /// Sends a request, again where the server is busy and the options want that, until there is an answer that is one.
    private func open(_ request: APIRequest) async throws(TesseraClientError) -> HTTPClientResponse {
        let server = try address.get()
        var retries = options.retriesWhenBusy
        while true {
            // The connections learn of a cancellation only after they have begun.
            guard !Task.isCancelled else { throw failure(CancellationError(), request) }
            do throws(TesseraClientError) {
                return try await exchange(request, server)
            } catch {
                guard case .busy(let wait) = error.kind, retries > 0, (wait ?? 1) <= 60 else { throw error }
                retries -= 1
                do { try await Task.sleep(for: .seconds(wait ?? 1)) } catch { throw failure(error, request) }
            }
        }
    }

    private func exchange(
        _ request: APIRequest, _ server: ServerAddress
    ) async throws(TesseraClientError) -> HTTPClientResponse {
        let response: HTTPClientResponse
        do {
            response = try await send(request.addressed(to: server))
        } catch {
            throw failure(error, request)
        }
        if (200..<300).contains(response.status.code) { return response }
        let body = try? await response.body.collect(upTo: 1 << 20)
        let detail = try? APICoding.decoder.decode(APIErrorBody.self, from: Data((body ?? .init()).readableBytesView))
        throw TesseraClientError(
            status: Int(response.status.code), retryAfter: response.headers.first(name: "retry-after"),
            detail?.error, request, server)
    }

    /// Sends a request. A Unix socket whose queue is full says so at once, where a TCP port keeps one waiting: this makes up
    /// for it.
    private func send(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        let end = ContinuousClock.now + options.connectTimeout
        var pause = Duration.milliseconds(5)
        while true {
            do {
                return try await http.execute(request, deadline: .distantFuture)
            } catch let error as IOError where error.errnoCode == EAGAIN && .now + pause < end {
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .milliseconds(200))
            }
        }
    }
}

extension HTTPClient.Configuration {
    fileprivate init(_ options: TesseraClientOptions) {
        self.init(
            // A token is for the server that it was given for.
            redirectConfiguration: .disallow,
            timeout: .init(
                connect: TimeAmount(options.connectTimeout), read: options.silenceTimeout.map { TimeAmount($0) }),
            connectionPool: .init(
                idleTimeout: .seconds(60),
                concurrentHTTP1ConnectionsPerHostSoftLimit: max(1, options.mostConnections)))
        httpVersion = .http1Only
        // A socket that nobody listens on is told at once, not after the timeout.
        connectionPool.retryConnectionEstablishment = false
    }
}
