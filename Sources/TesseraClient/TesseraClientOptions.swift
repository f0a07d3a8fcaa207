// SPDX-License-Identifier: Apache-2.0

/// Timeouts and limits of a client.
public struct TesseraClientOptions: Sendable, Equatable {
    /// The longest that a connection may take to come about.
    public var connectTimeout: Duration
    /// The longest that the server may be silent before an answer and within it, streams of jobs included; nil for as long
    /// as it takes, as a model may take long.
    public var silenceTimeout: Duration?
    /// The largest answer in bytes; of a stream, the largest event.
    public var mostAnswerBytes: Int
    /// The most connections at once. More requests than this wait for one, as long as for a connection to come about.
    public var mostConnections: Int
    /// How often a request is sent again that the server was too busy for, each time after as many seconds as it names.
    /// Whoever is asked to wait for more than a minute gets the error at once.
    public var retriesWhenBusy: Int

    /// Makes options with defaults for all that is not given.
    public init(
        connectTimeout: Duration = .seconds(5), silenceTimeout: Duration? = nil, mostAnswerBytes: Int = 64 << 20,
        mostConnections: Int = 256, retriesWhenBusy: Int = 0
    ) {
        self.connectTimeout = connectTimeout
        self.silenceTimeout = silenceTimeout
        self.mostAnswerBytes = mostAnswerBytes
        self.mostConnections = mostConnections
        self.retriesWhenBusy = retriesWhenBusy
    }
}
