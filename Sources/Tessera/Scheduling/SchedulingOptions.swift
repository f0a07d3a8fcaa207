// SPDX-License-Identifier: Apache-2.0

/// How many requests are worked on at once, and in which order.
public struct SchedulingOptions: Sendable, Equatable {
    /// The most requests whose answers are written at once; further ones wait.
    public var answersAtOnce: Int
    /// The most requests that wait; a further one is refused. Nil for no limit.
    public var waitingRequests: Int?
    /// The most bytes that the keys and values of requests take together; a request that is larger than that runs alone.
    /// Nil for no limit.
    public var requestMemory: Int?
    /// Requests of which more is stored go first, but each `patience` seconds of waiting count as much as all of a prompt
    /// being stored.
    public var patience: Double

    /// Makes options; each has a default.
    public init(
        answersAtOnce: Int = 16, waitingRequests: Int? = nil, requestMemory: Int? = nil, patience: Double = 2
    ) {
        self.answersAtOnce = answersAtOnce
        self.waitingRequests = waitingRequests
        self.requestMemory = requestMemory
        self.patience = patience
    }
}
