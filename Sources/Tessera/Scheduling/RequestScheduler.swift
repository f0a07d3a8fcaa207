// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV

/// Shares a runtime out among requests: prompts are computed one by one in the order of ``WaitingLine``, answers are
/// decoded together.
///
/// Caches that stand side by side on one runtime, one for each tenant, share a scheduler.
package final class RequestScheduler: Sendable {
    /// How much is going on.
    package struct Load: Sendable, Equatable {
        /// Requests that wait to be let in.
        package var waiting = 0
        /// Requests that were let in and are not over.
        package var running = 0
        /// Bytes of their keys and values.
        package var bytes = 0
    }

    private struct State {
        var line: WaitingLine
        var callers: [Int: CheckedContinuation<Result<Void, TesseraError>, Never>] = [:]
        var nextID = 0
    }

    private let state: Mutex<State>
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private let thread = ComputeThread(label: "tessera.compute")
    /// Where texts become ids; long ones have a thread of their own, so that short ones don't wait for them.
    private let tokenizing = ComputeThread(label: "tessera.tokenize")
    private let tokenizingLong = ComputeThread(label: "tessera.tokenize-long")
    /// Where the store is looked into for those who keep it in order.
    let reading = ComputeThread(label: "tessera.reading")
    /// Where stitched KV is written for other runtimes.
    let leasing = ComputeThread(label: "tessera.leasing")
    /// Decodes all answers.
    let decoder: BatchDecoder

    init(_ runtime: any ModelRuntime, options: SchedulingOptions) {
        state = Mutex(State(line: WaitingLine(options)))
        decoder = BatchDecoder(runtime)
        start = clock.now
    }

    /// How much is going on now.
    package var load: Load {
        state.withLock { Load(waiting: $0.line.waiting, running: $0.line.running, bytes: $0.line.bytes) }
    }

    /// Waits until a request or a piece of background work is let in.
    ///
    /// - Throws: ``TesseraError`` of code `busy` where too many wait, `cancelled` when the task is.
    func admit(_ errand: WaitingLine.Errand) async throws(TesseraError) -> Turn {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { caller in
                let waiter = WaitingLine.Waiter(id: id, errand: errand, since: now)
                let refusal: TesseraError? = state.withLock { state in
                    guard !Task.isCancelled else { return Self.cancelled }
                    do throws(TesseraError) {
                        try state.line.join(waiter)
                        state.callers[id] = caller
                        return nil
                    } catch {
                        return error
                    }
                }
                if let refusal { caller.resume(returning: .failure(refusal)) } else { letIn() }
            }
        } onCancel: {
            let caller = state.withLock { $0.line.leave(id) ? $0.callers.removeValue(forKey: id) : nil }
            caller?.resume(returning: .failure(Self.cancelled))
        }
        try outcome.get()
        return Turn(self, errand)
    }

    private static var cancelled: TesseraError { TesseraError(.cancelled, "the request was cancelled") }

    private var now: Double { (clock.now - start).seconds }

    /// Lets in whoever comes next.
    private func letIn() {
        let caller = state.withLock { state in
            state.line.next(now: now).flatMap { state.callers.removeValue(forKey: $0.id) }
        }
        caller?.resume(returning: .success(()))
    }

    fileprivate func finishComputing() {
        state.withLock { $0.line.finishComputing() }
        letIn()
    }

    fileprivate func finish(_ errand: WaitingLine.Errand) {
        state.withLock { $0.line.finish(errand) }
        letIn()
    }

    /// Runs work that turns text into ids, away from Swift's cooperative pool, which has no thread to spare for it.
    ///
    /// - Parameter bytes: The text's length.
    func tokenize<R: Sendable>(
        bytes: Int, _ body: @Sendable () throws(TesseraError) -> R
    ) async throws(TesseraError) -> R {
        try await (bytes <= Self.usualText ? tokenizing : tokenizingLong).run(body)
    }

    private static let usualText = 256 << 10

    fileprivate func run<R: Sendable>(
        _ body: @Sendable () throws(TesseraError) -> R
    ) async throws(TesseraError) -> R {
        try await thread.run(body)
    }
}

/// A place in the scheduler: the right to compute a prompt, and the room for its answer. It is given back with the last
/// reference at the latest.
final class Turn: Sendable {
    private struct State {
        var isComputing = true
        var isOver = false
    }

    private let scheduler: RequestScheduler
    private let errand: WaitingLine.Errand
    private let state = Mutex(State())

    fileprivate init(_ scheduler: RequestScheduler, _ errand: WaitingLine.Errand) {
        self.scheduler = scheduler
        self.errand = errand
    }

    deinit { end() }

    /// Runs work that computes, away from the caller's actor.
    func compute<R: Sendable>(
        _ body: @Sendable () throws(TesseraError) -> R
    ) async throws(TesseraError) -> R {
        try await scheduler.run(body)
    }

    /// Gives the right to compute to the next one; the room for the answer stays.
    func finishComputing() {
        let wasComputing = state.withLock { state in
            defer { state.isComputing = false }
            return state.isComputing
        }
        if wasComputing { scheduler.finishComputing() }
    }

    /// Gives everything back.
    func end() {
        finishComputing()
        let wasOver = state.withLock { state in
            defer { state.isOver = true }
            return state.isOver
        }
        if !wasOver { scheduler.finish(errand) }
    }
}
