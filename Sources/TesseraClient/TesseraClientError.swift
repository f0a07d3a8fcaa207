// SPDX-License-Identifier: Apache-2.0

public import TesseraAPI

/// Why a request has no answer: what kind of failure, and a sentence that names the thing and the way out.
public struct TesseraClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure; callers decide by it.
    public enum Kind: Sendable, Equatable {
        /// There was no connection, so the server knows nothing of the request.
        case unreachable
        /// The server answered with another status than success.
        case refused(status: Int)
        /// The server has too much to do; the same request may go through after so many seconds, if it named any.
        case busy(retryAfter: Double?)
        /// The server began an answer and could not go on with it.
        case failed
        /// The connection broke off; the server may have done what it was asked for.
        case interrupted
        /// The server was silent for longer than the options allow.
        case timedOut
        /// What came can't be read.
        case malformedAnswer
        /// The answer is larger than the options allow.
        case tooLarge
        /// The request or the server's address can't be, and nothing was sent.
        case invalidInput
        /// The client was shut down.
        case closed
        /// The task was cancelled.
        case cancelled
    }

    /// The kind of failure.
    public let kind: Kind
    /// What failed and what to do about it, as one sentence or two.
    public let message: String
    /// What the server said; nil where it said nothing.
    public let detail: APIErrorBody.Detail?

    /// Makes an error of its parts.
    public init(_ kind: Kind, _ message: String, detail: APIErrorBody.Detail? = nil) {
        self.kind = kind
        self.message = message
        self.detail = detail
    }

    /// The message.
    public var description: String { message }
}
