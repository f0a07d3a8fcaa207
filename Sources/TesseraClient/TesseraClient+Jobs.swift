// SPDX-License-Identifier: Apache-2.0

public import TesseraAPI

extension TesseraClient {
    /// Has KV computed ahead of the questions. The job goes on whether or not anybody looks at it.
    public func warm(_ request: WarmRequest) async throws(TesseraClientError) -> Job {
        try await transport.value(.post("v1", "warm", json: request))
    }

    /// The jobs that the server remembers.
    public func jobs() async throws(TesseraClientError) -> [Job] {
        try await transport.value(.get("v1", "jobs"), as: ListOf<Job>.self).data
    }

    /// A job, with the chunks of its documents.
    public func job(_ id: String) async throws(TesseraClientError) -> Job {
        try await transport.value(.get("v1", "jobs", id))
    }

    /// A job as it is now and whenever it has come further, until it is over.
    ///
    /// A job that fails is the last element, with its reason in `error`; nothing is thrown for it.
    public func jobEvents(_ id: String) -> EventSequence<Job> {
        EventSequence(transport, endsWithDone: false) { () throws(TesseraClientError) in
            try .get("v1", "jobs", id, "events", wanted: .events)
        }
    }

    /// Stops a job. What is done stays.
    @discardableResult
    public func cancelJob(_ id: String) async throws(TesseraClientError) -> Job {
        try await transport.value(.post("v1", "jobs", id, "cancel"))
    }

    /// Goes on with a job that was stopped or that failed.
    @discardableResult
    public func resumeJob(_ id: String) async throws(TesseraClientError) -> Job {
        try await transport.value(.post("v1", "jobs", id, "resume"))
    }
}
