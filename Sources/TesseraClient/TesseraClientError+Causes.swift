// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import TesseraAPI

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

extension TesseraClientError {
    /// An answer with another status than success.
    init(
        status: Int, retryAfter: String?, _ detail: APIErrorBody.Detail?, _ request: APIRequest,
        _ server: ServerAddress
    ) {
        let reason =
            detail.map { "\($0.message) (\(request.name) was answered with status \(status))" }
            ?? "\(request.name) was answered with status \(status) and no reason; is it a Tessera server that listens on \(server.name)?"
        let seconds = retryAfter.flatMap { Double($0) }.flatMap { $0 >= 0 && $0.isFinite ? $0 : nil }
        self.init(status == 429 ? .busy(retryAfter: seconds) : .refused(status: status), reason, detail: detail)
    }

    /// An answer that broke off with a reason, in the last event of a stream.
    init(_ detail: APIErrorBody.Detail, _ request: APIRequest) {
        self.init(.failed, "\(detail.message) (\(request.name) was begun and broke off)", detail: detail)
    }

    /// JSON that is not what it should be.
    init(undecodable cause: any Error, _ request: APIRequest) {
        let what: String
        switch cause {
        case DecodingError.keyNotFound(let key, let context):
            what = "\(Self.place(context.codingPath + [key])) is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            what = "\(Self.place(context.codingPath)) has another type than it should"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            what = "\(Self.place(context.codingPath)) has no value that is known"
        default: what = "it is no JSON"
        }
        self.init(
            .malformedAnswer,
            "the answer to \(request.name) can't be read: \(what); are the client and the server of one version?")
    }

    /// What it means that a request failed so.
    init(_ cause: any Error, _ request: APIRequest, _ server: ServerAddress, _ options: TesseraClientOptions) {
        guard !Task.isCancelled, !(cause is CancellationError) else {
            self.init(.cancelled, "\(request.name) was cancelled")
            return
        }
        switch cause {
        case let error as HTTPClientError: self.init(error, request, server, options)
        case let error as IOError: self.init(errno: error.errnoCode, "\(error)", request, server)
        case let error as NIOConnectionError:
            guard let first = error.connectionErrors.lazy.compactMap({ $0.error as? IOError }).first else {
                self.init(.unreachable, "the host of \(server.name) has no address: see that its name is right")
                return
            }
            self.init(errno: first.errnoCode, "\(first)", request, server)
        case ChannelError.connectTimeout: self.init(HTTPClientError.connectTimeout, request, server, options)
        case is NIOTooManyBytesError, is ServerSentEventParser.EventTooLarge:
            let most = options.mostAnswerBytes
            self.init(
                .tooLarge,
                "the answer to \(request.name) is larger than \(most) bytes; the option mostAnswerBytes allows for more"
            )
        case HTTPParserError.invalidEOFState: self.init(brokenOff: request, server)
        case is HTTPParserError:
            self.init(.malformedAnswer, "what listens on \(server.name) does not speak HTTP; is it a Tessera server?")
        default: self.init(.interrupted, "\(request.name) failed on the way to \(server.name) or back: \(cause)")
        }
    }

    private init(
        _ cause: HTTPClientError, _ request: APIRequest, _ server: ServerAddress, _ options: TesseraClientOptions
    ) {
        switch cause {
        case .connectTimeout:
            self.init(
                .unreachable,
                "\(server.name) took no connection within \(options.connectTimeout); see that its server is alive")
        case .getConnectionFromPoolTimeout:
            self.init(
                .busy(retryAfter: nil),
                "all \(options.mostConnections) connections to \(server.name) are in use; ask for less at once, or allow for more with the option mostConnections"
            )
        case .readTimeout:
            let limit = options.silenceTimeout.map { "\($0)" } ?? "the limit"
            self.init(
                .timedOut,
                "\(server.name) was silent for more than \(limit) while \(request.name) was under way; the option silenceTimeout waits longer"
            )
        case .alreadyShutdown, .cancelled:
            self.init(.closed, "the client was shut down; make a new one for \(request.name)")
        case .remoteConnectionClosed: self.init(brokenOff: request, server)
        default: self.init(.interrupted, "\(request.name) failed on the way to \(server.name) or back: \(cause)")
        }
    }

    /// A connection that ended before the answer did.
    init(brokenOff request: APIRequest, _ server: ServerAddress) {
        self.init(
            .interrupted,
            "the connection to \(server.name) broke off before the answer to \(request.name) was whole; the server's log may say why"
        )
    }

    private init(errno: CInt, _ description: String, _ request: APIRequest, _ server: ServerAddress) {
        switch (errno, server.socket) {
        case (ECONNRESET, _), (EPIPE, _): self.init(brokenOff: request, server)
        case (ENOENT, let path?), (ENOTDIR, let path?):
            self.init(
                .unreachable,
                "there is no socket \(path): start a server with `tessera serve --socket \(path)`, or give the path of one that runs"
            )
        case (ECONNREFUSED, let path?):
            self.init(.unreachable, "nobody listens on the socket \(path): its server has ended; start it again")
        case (ECONNREFUSED, nil):
            self.init(
                .unreachable,
                "nobody listens on \(server.name): start a server with `tessera serve --port`, or give the URL of one that runs"
            )
        case (EACCES, let path?), (EPERM, let path?):
            self.init(
                .unreachable,
                "this user may not connect to the socket \(path); its server lets in a group with `--socket-group`")
        case (EAGAIN, _):
            self.init(.unreachable, "\(server.name) takes no more connections just now; try again later")
        default: self.init(.unreachable, "there is no connection to \(server.name): \(description)")
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        let place = path.reduce(into: "") { place, key in
            place += key.intValue.map { "[\($0)]" } ?? (place.isEmpty ? "" : ".") + key.stringValue
        }
        return place.isEmpty ? "it" : place
    }
}
