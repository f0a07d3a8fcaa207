// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import TesseraAPI
internal import TesseraKV

/// A request that can't be answered: the status, and what to say.
struct APIFailure: Error {
    var status: HTTPResponse.Status
    var detail: APIErrorBody.Detail
    /// Seconds after which it is worth another try.
    var retryAfter: Int?
    /// Methods that the path has.
    var allowed: [HTTPRequest.Method] = []

    init(_ status: HTTPResponse.Status, _ message: String, code: String, param: String? = nil) {
        self.status = status
        detail = APIErrorBody.Detail(message: message, type: Self.type(of: status), param: param, code: code)
    }

    /// What became of work that failed.
    init(_ error: TesseraError) {
        self.init(Self.status(of: error.code), error.message, code: error.code.description)
        if error.code == .busy { retryAfter = 1 }
    }

    /// Any error at all. What is not ours is not told to the client: it may name things that are none of his business.
    init(_ error: any Error) {
        switch error {
        case let failure as APIFailure: self = failure
        case let error as TesseraError: self.init(error)
        case let error as DecodingError: self.init(error)
        case is NIOTooManyBytesError: self = .tooLarge
        case is CancellationError: self.init(TesseraError(.cancelled, "the request was cancelled"))
        case let error as any HTTPResponseError:
            self.init(error.status, "the request can't be read: \(error.status.reasonPhrase)", code: "invalidInput")
        default: self.init(.internalServerError, "the server failed; its log says why", code: "io")
        }
    }

    /// A body in JSON that is not what it should be.
    private init(_ error: DecodingError) {
        let (context, what): (DecodingError.Context, String)
        switch error {
        case .keyNotFound(let key, let found): (context, what) = (found, "the field \(key.stringValue) is missing")
        case .typeMismatch(_, let found), .valueNotFound(_, let found):
            (context, what) = (found, "it has another type than it should")
        case .dataCorrupted(let found) where found.codingPath.isEmpty:
            // Foundation's decoder says of a number that does not fit that all of it was no JSON, and not where it stands.
            (context, what) = (
                found,
                "it is no JSON, or a number in it is too large for its field or has a fraction where none belongs"
            )
        case .dataCorrupted(let found): (context, what) = (found, found.debugDescription)
        @unknown default: (context, what) = (.init(codingPath: [], debugDescription: ""), "it can't be read")
        }
        let place = context.codingPath.reduce(into: "") { place, key in
            place += key.intValue.map { "[\($0)]" } ?? (place.isEmpty ? "" : ".") + key.stringValue
        }
        let message = place.isEmpty ? "the body can't be read: \(what)" : "\(place) can't be read: \(what)"
        self.init(.badRequest, message, code: "invalidInput", param: place.isEmpty ? nil : place)
    }

    static let tooLarge = APIFailure(
        .contentTooLarge, "the body is larger than this server takes", code: "tooLong")

    private static func status(of code: TesseraError.Code) -> HTTPResponse.Status {
        switch code {
        case .invalidInput, .tooLong, .unsupported: .badRequest
        case .notFound: .notFound
        case .busy: .tooManyRequests
        case .full: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
        case .locked: .serviceUnavailable
        // Nobody hears it, but it stands in the books: the client has gone.
        case .cancelled: HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request")
        default: .internalServerError
        }
    }

    /// The kind of failure in OpenAI's terms.
    private static func type(of status: HTTPResponse.Status) -> String {
        switch status.code {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 429: "rate_limit_error"
        case 400..<500: "invalid_request_error"
        default: "server_error"
        }
    }

    /// The response.
    var response: Response {
        var response = Response.json(APIErrorBody(error: detail), status: status)
        if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
        if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        if !allowed.isEmpty { response.headers[.allow] = allowed.map(\.rawValue).joined(separator: ", ") }
        return response
    }
}
