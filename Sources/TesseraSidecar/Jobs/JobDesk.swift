// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import ServiceLifecycle
internal import Synchronization
internal import Tessera
internal import TesseraAPI
internal import TesseraKV

/// Warm-ups that go on beside requests: queued, stopped and resumed, with their progress for whoever wants to see it.
///
/// They are remembered while the process lives. What a job has computed is in the store, so a request that is sent again
/// after a restart goes on where the last one stopped.
final class JobDesk: Service {
    private struct Entry {
        var namespace: String
        var number: Int
        var job: Job
        var work: WarmWork
        /// Tells a running job to stop.
        var stop: AsyncStream<Void>.Continuation?
        var watchers: [Int: AsyncStream<Job>.Continuation] = [:]
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var queue: [String] = []
        var running = 0
        var count = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let starts: AsyncStream<String>
    private let start: AsyncStream<String>.Continuation

    /// The most jobs that are at work at once.
    private static let mostRunning = 4
    /// The most jobs of a tenant that are remembered, and the most tokens of those that are not done.
    private static let mostJobs = 256
    /// The most chunks of a tenant's jobs whose ids are remembered.
    private static let mostChunks = 1 << 20
    private static let mostTokens = 16 << 20

    init() {
        (starts, start) = AsyncStream.makeStream()
    }

    /// Jobs by state, for metrics.
    var counts: [Job.State: Int] {
        state.withLock { state in
            state.entries.values.reduce(into: [:]) { $0[$1.job.state, default: 0] += 1 }
        }
    }

    // MARK: What clients do

    /// Takes a job on.
    ///
    /// - Throws: ``TesseraError`` of code `busy` where too much waits already.
    func add(_ work: WarmWork, namespace: String) throws(TesseraError) -> Job {
        let id = "job-" + UUID().uuidString.lowercased()
        let job = Job(
            id: id, state: .queued, created: Date().timeIntervalSince1970, chunks: work.chunks.count)
        let refusal: TesseraError? = state.withLock { state in
            guard !state.isClosed else { return Self.ending }
            Self.forget(namespace, &state)
            let own = state.entries.values.filter { $0.namespace == namespace }
            let tokens = own.reduce(0) { $0 + ($1.job.state == .done ? 0 : $1.work.tokens) }
            guard own.count < Self.mostJobs, tokens + work.tokens <= Self.mostTokens || own.isEmpty else {
                return TesseraError(.busy, "\(own.count) warm-ups of \(tokens) tokens wait already")
            }
            state.count += 1
            state.entries[id] = Entry(namespace: namespace, number: state.count, job: job, work: work)
            state.queue.append(id)
            return nil
        }
        if let refusal { throw refusal }
        startNext()
        return job
    }

    /// The jobs of a tenant, the newest first.
    func jobs(of namespace: String) -> [Job] {
        state.withLock { state in
            state.entries.values.filter { $0.namespace == namespace }.sorted { $0.number > $1.number }.map(\.job)
        }
    }

    /// A job with the ids of its chunks.
    func job(_ id: String, of namespace: String) throws(TesseraError) -> Job {
        let found = state.withLock { state -> Job? in
            guard let entry = state.entries[id], entry.namespace == namespace else { return nil }
            var job = entry.job
            job.documents = entry.work.documents
            return job
        }
        guard let found else { throw Self.unknown(id) }
        return found
    }

    /// A job each time it has come further, from now on to its end.
    func events(_ id: String, of namespace: String) throws(TesseraError) -> AsyncStream<Job> {
        let (stream, watcher) = AsyncStream<Job>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let found = state.withLock { state -> Int? in
            guard let entry = state.entries[id], entry.namespace == namespace else { return nil }
            watcher.yield(entry.job)
            guard !entry.job.state.isOver else {
                watcher.finish()
                return 0
            }
            state.count += 1
            state.entries[id]?.watchers[state.count] = watcher
            return state.count
        }
        guard let number = found else { throw Self.unknown(id) }
        watcher.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.entries[id]?.watchers.removeValue(forKey: number) }
        }
        return stream
    }

    /// Stops a job; one that is over is left as it is.
    func cancel(_ id: String, of namespace: String) throws(TesseraError) -> Job {
        let found = state.withLock { state -> Job? in
            guard let entry = state.entries[id], entry.namespace == namespace else { return nil }
            switch entry.job.state {
            case .queued:
                state.queue.removeAll { $0 == id }
                Self.change(id, &state) { $0.state = .cancelled }
            case .running: entry.stop?.finish()
            case .done, .cancelled, .failed: break
            }
            return state.entries[id]?.job
        }
        guard let found else { throw Self.unknown(id) }
        return found
    }

    /// Goes on with a job that was stopped or failed.
    ///
    /// - Throws: ``TesseraError``: `notFound`; `invalidInput` for a job that is at work or done.
    func resume(_ id: String, of namespace: String) throws(TesseraError) -> Job {
        let found: Result<Job, TesseraError> = state.withLock { state in
            guard let entry = state.entries[id], entry.namespace == namespace else { return .failure(Self.unknown(id)) }
            guard !state.isClosed else { return .failure(Self.ending) }
            guard entry.job.state == .cancelled || entry.job.state == .failed else {
                return .failure(
                    TesseraError(.invalidInput, "the job is \(entry.job.state.rawValue); there is nothing to resume"))
            }
            Self.change(id, &state) { job in
                job.state = .queued
                job.error = nil
            }
            state.queue.append(id)
            return .success(state.entries[id]?.job ?? entry.job)
        }
        let job = try found.get()
        startNext()
        return job
    }

    // MARK: Work

    /// Works until graceful shutdown, which stops what is at work; what was computed stays.
    func run() async throws {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await id in starts { group.addTask { await self.work(id) } }
            }
            // Jobs end before connections do, and this with its own turn.
            try? await gracefulShutdown()
        } onGracefulShutdown: {
            self.close()
        }
    }

    /// Stops what is at work and takes nothing on any more: whoever watches a job is told its end.
    func close() {
        start.finish()
        state.withLock { state in
            state.isClosed = true
            for (id, entry) in state.entries where entry.job.state == .queued {
                Self.change(id, &state) { $0.state = .cancelled }
            }
            state.queue = []
            for entry in state.entries.values { entry.stop?.finish() }
        }
    }

    private func startNext() {
        let ids = state.withLock { state in
            let room = max(0, Self.mostRunning - state.running)
            let ids = Array(state.queue.prefix(room))
            state.queue.removeFirst(ids.count)
            state.running += ids.count
            return ids
        }
        for id in ids { start.yield(id) }
    }

    private func work(_ id: String) async {
        let (stopped, stop) = AsyncStream<Void>.makeStream()
        let work = state.withLock { state -> WarmWork? in
            // It may have been stopped since it was its turn.
            guard !state.isClosed, let entry = state.entries[id], entry.job.state == .queued else { return nil }
            state.entries[id]?.stop = stop
            Self.change(id, &state) { $0.state = .running }
            return entry.work
        }
        if let work { await perform(work, id, until: stopped) }
        state.withLock { state in
            state.running -= 1
            state.entries[id]?.stop = nil
        }
        startNext()
    }

    private func perform(_ work: WarmWork, _ id: String, until stopped: AsyncStream<Void>) async {
        let outcome = await withTaskGroup(of: Result<Void, TesseraError>?.self) { group in
            group.addTask {
                do throws(TesseraError) {
                    try await work.run { done, computed in self.note(id, done, computed.tokens, computed.bytes) }
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                for await _ in stopped {}
                return nil
            }
            var outcome: Result<Void, TesseraError>?
            for await ended in group {
                outcome = outcome ?? ended
                group.cancelAll()
            }
            return outcome
        }
        state.withLock { state in
            Self.change(id, &state) { job in
                switch outcome {
                case .success: (job.state, job.chunksDone) = (.done, job.chunks)
                case .failure(let error) where error.code != .cancelled:
                    job.state = .failed
                    job.error = APIFailure(error).detail
                case .failure, nil: job.state = .cancelled
                }
            }
            // Nothing of it will be computed again.
            guard case .success = outcome else { return }
            state.entries[id]?.work.chunks = []
            state.entries[id]?.work.system = nil
        }
    }

    private func note(_ id: String, _ done: Int, _ tokens: Int, _ bytes: Int) {
        state.withLock { state in
            Self.change(id, &state) { ($0.chunksDone, $0.tokens, $0.bytes) = (done, tokens, bytes) }
        }
    }

    /// Changes a job and tells those who watch it.
    private static func change(_ id: String, _ state: inout State, _ body: (inout Job) -> Void) {
        guard var entry = state.entries[id] else { return }
        body(&entry.job)
        for watcher in entry.watchers.values {
            watcher.yield(entry.job)
            guard entry.job.state.isOver else { continue }
            // What it would do on its end has to wait for us.
            watcher.onTermination = nil
            watcher.finish()
        }
        if entry.job.state.isOver { entry.watchers = [:] }
        state.entries[id] = entry
    }

    /// Forgets jobs of a tenant that are over, the oldest first, where there are too many.
    private static func forget(_ namespace: String, _ state: inout State) {
        let own = state.entries.filter { $0.value.namespace == namespace }
        let over = own.filter { $0.value.job.state.isOver }.sorted { $0.value.number < $1.value.number }
        var (count, chunks) = (own.count, own.values.reduce(0) { $0 + $1.job.chunks })
        for (id, entry) in over where count >= mostJobs || chunks > mostChunks {
            state.entries[id] = nil
            (count, chunks) = (count - 1, chunks - entry.job.chunks)
        }
    }

    private static var ending: TesseraError { TesseraError(.locked, "the server is about to end") }

    private static func unknown(_ id: String) -> TesseraError {
        TesseraError(.notFound, "there is no job \(id) here")
    }
}
