// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import TesseraAPI

/// The events of an answer, each when the server has written it.
///
/// The request goes out when a loop over the sequence begins, and once more for each further loop. Leaving the loop, or
/// cancelling its task, closes the connection, and the server stops computing. The loop ends with the answer, and throws
/// ``TesseraClientError`` where the answer breaks off.
public struct EventSequence<Event: Decodable & Sendable>: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = Event
    /// Why an answer broke off.
    public typealias Failure = TesseraClientError

    private let transport: Transport
    private let request: Result<APIRequest, TesseraClientError>
    private let endsWithDone: Bool

    /// Makes the events that a request is answered with.
    ///
    /// - Parameter endsWithDone: Whether `[DONE]` comes last, so that an answer without it is not whole.
    init(
        _ transport: Transport, endsWithDone: Bool, _ request: () throws(TesseraClientError) -> APIRequest
    ) {
        self.transport = transport
        self.endsWithDone = endsWithDone
        self.request = Result(catching: request)
    }

    /// Makes an iterator, which sends the request when it is first asked for an event.
    public func makeAsyncIterator() -> Iterator {
        Iterator(transport, request, endsWithDone: endsWithDone)
    }

    /// The place in a stream of events.
    public struct Iterator: AsyncIteratorProtocol {
        private enum State {
            case unasked
            case open(HTTPClientResponse.Body.AsyncIterator)
            case over
        }

        private let transport: Transport
        private let request: Result<APIRequest, TesseraClientError>
        private let endsWithDone: Bool
        private var parser: ServerSentEventParser
        private var state = State.unasked

        init(_ transport: Transport, _ request: Result<APIRequest, TesseraClientError>, endsWithDone: Bool) {
            (self.transport, self.request, self.endsWithDone) = (transport, request, endsWithDone)
            parser = ServerSentEventParser(mostEventBytes: transport.options.mostAnswerBytes)
        }

        /// Waits for the next event; nil behind the last one.
        public mutating func next() async throws(TesseraClientError) -> Event? {
            do throws(TesseraClientError) {
                return try await following()
            } catch {
                state = .over
                throw error
            }
        }

        private mutating func following() async throws(TesseraClientError) -> Event? {
            let request = try request.get()
            while true {
                switch state {
                case .over: return nil
                case .unasked: state = .open(try await transport.events(request).makeAsyncIterator())
                case .open(var body):
                    if let data = try parsed(request) {
                        guard data != Self.done else {
                            await finish()
                            return nil
                        }
                        return try decode(Data(data), request)
                    }
                    do {
                        guard let bytes = try await body.next() else {
                            state = .over
                            guard !endsWithDone else { throw HTTPClientError.remoteConnectionClosed }
                            return nil
                        }
                        parser.feed(bytes.readableBytesView)
                        state = .open(body)
                    } catch {
                        throw transport.failure(error, request)
                    }
                }
            }
        }

        private mutating func parsed(_ request: APIRequest) throws(TesseraClientError) -> [UInt8]? {
            do {
                return try parser.next()
            } catch {
                throw transport.failure(error, request)
            }
        }

        /// A job that failed has a field `error` too, so only what is no event is looked at as an error.
        private func decode(_ data: Data, _ request: APIRequest) throws(TesseraClientError) -> Event {
            do throws(TesseraClientError) {
                return try transport.decode(data, request)
            } catch {
                guard let body = try? APICoding.decoder.decode(APIErrorBody.self, from: data) else { throw error }
                throw TesseraClientError(body.error, request)
            }
        }

        /// Reads the few bytes behind the last event, so that the connection can be used again. Where they are not few, it
        /// is closed.
        private mutating func finish() async {
            guard case .open(var body) = state else { return }
            state = .over
            for _ in 0..<8 where (try? await body.next()) == nil { return }
        }

        private static var done: [UInt8] { Array("[DONE]".utf8) }
    }
}
