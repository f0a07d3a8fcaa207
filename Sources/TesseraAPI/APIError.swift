// SPDX-License-Identifier: Apache-2.0

/// What the sidecar answers where it can't do what was asked: the form that OpenAI's clients know.
public struct APIErrorBody: Codable, Sendable, Equatable {
    /// What went wrong.
    public struct Detail: Codable, Sendable, Equatable {
        /// A sentence that names the thing and the way out.
        public var message: String
        /// The kind of failure, in OpenAI's terms: `invalid_request_error`, `rate_limit_error` and so on.
        public var type: String
        /// The field that is at fault; nil where it is none.
        public var param: String?
        /// The kind of failure in Tessera's terms, such as `tooLong` or `busy`.
        public var code: String?

        /// Makes a detail of all its parts.
        public init(message: String, type: String, param: String? = nil, code: String? = nil) {
            self.message = message
            self.type = type
            self.param = param
            self.code = code
        }
    }

    /// What went wrong.
    public var error: Detail

    /// Makes a body of a detail.
    public init(error: Detail) {
        self.error = error
    }
}
