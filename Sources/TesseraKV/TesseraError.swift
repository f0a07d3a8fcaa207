// SPDX-License-Identifier: Apache-2.0

/// The one error type that Tessera's targets throw: what kind of failure, and a sentence that names the thing and
/// the way out.
///
/// Messages may name files, options and sizes. They never hold prompt text or keys.
public struct TesseraError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure; callers decide by it, the command line turns it into an exit code.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case invalidInput, unsupported, corrupt, notFound, tooLong, locked, full, busy, io, cancelled
        }
        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }

        /// An argument, a configuration or a text that the caller can mend.
        public static let invalidInput = Code(.invalidInput)
        /// A model, tensor type or feature that this build does not handle.
        public static let unsupported = Code(.unsupported)
        /// A file or record whose contents contradict themselves.
        public static let corrupt = Code(.corrupt)
        /// A file, a folder or a record that is not there.
        public static let notFound = Code(.notFound)
        /// A prompt that does not fit the model's context.
        public static let tooLong = Code(.tooLong)
        /// A store that another process holds.
        public static let locked = Code(.locked)
        /// A disk or a cap that has no room left.
        public static let full = Code(.full)
        /// Too much to do at once; the same call may go through later.
        public static let busy = Code(.busy)
        /// Any other failure of the operating system or of a storage library.
        public static let io = Code(.io)
        /// Work that was stopped on request.
        public static let cancelled = Code(.cancelled)

        /// The kind in one word.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What failed and what to do about it, as one sentence or two.
    public let message: String

    /// Makes an error of a kind with a message.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
