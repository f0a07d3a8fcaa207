// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import TesseraKV

/// The one thread that an engine computes on. Calls from anywhere hand their work over and wait; they are served in
/// the order of their coming, urgent ones first. An ordinary one gives way to urgent ones wherever it says so.
///
/// The thread ends when the last reference is gone.
final class EngineThread: Sendable {
    private let inbox = Inbox()

    init(name: String) {
        let thread = Thread { [inbox] in
            while let job = inbox.take() { job() }
        }
        thread.name = name
        thread.stackSize = 8 << 20
        thread.start()
    }

    deinit {
        inbox.close()
    }

    /// Runs `body` on the thread and gives back what it returned or threw.
    ///
    /// - Parameters:
    ///   - isUrgent: Whether it goes before ordinary work, and into the middle of it. It has to be short.
    ///   - body: The work; its turn on the thread knows when the calling task has been cancelled.
    func run<R>(
        isUrgent: Bool = false, _ body: @escaping (EngineTurn) throws(TesseraError) -> R
    ) throws(TesseraError) -> R {
        guard !Task.isCancelled else { throw TesseraError(.cancelled, "the task was cancelled") }
        let call = Call<R>()
        let turn = EngineTurn(cancelled: call.cancelled, urgent: isUrgent ? nil : { [inbox] in inbox.takeUrgent() })
        inbox.put(isUrgent: isUrgent) {
            do throws(TesseraError) {
                call.finish(.success(try body(turn)))
            } catch {
                call.finish(.failure(error))
            }
        }
        return try call.result().get()
    }

    /// One handed-over job, seen from the caller.
    ///
    /// `@unchecked Sendable` because the outcome is written before the semaphore is signalled and read after.
    private final class Call<R>: @unchecked Sendable {
        let cancelled = EngineTurn.Flag()
        private let done = DispatchSemaphore(value: 0)
        private var outcome: Result<R, TesseraError>?

        func finish(_ outcome: Result<R, TesseraError>) {
            self.outcome = outcome
            done.signal()
        }

        /// Waits for the end and meanwhile passes the cancellation of the calling task on.
        func result() -> Result<R, TesseraError> {
            while done.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
                if Task.isCancelled { cancelled.raise() }
            }
            guard let outcome else { preconditionFailure("an engine job ended without an outcome") }
            return outcome
        }
    }

    /// Jobs on their way to the thread.
    ///
    /// `@unchecked Sendable` because all state is guarded by the condition, but for a count that is atomic.
    private final class Inbox: @unchecked Sendable {
        private let condition = NSCondition()
        private var ordinary: [() -> Void] = []
        private var urgent: [() -> Void] = []
        private var closed = false
        /// Read without the lock between tiles of a prompt.
        private let urgentCount = Atomic<Int>(0)

        func put(isUrgent: Bool, _ job: @escaping () -> Void) {
            condition.withLock {
                if isUrgent {
                    urgent.append(job)
                    urgentCount.add(1, ordering: .releasing)
                } else {
                    ordinary.append(job)
                }
            }
            condition.signal()
        }

        func close() {
            condition.withLock { closed = true }
            condition.signal()
        }

        /// The next job, waited for; nil once closed.
        func take() -> (() -> Void)? {
            condition.lock()
            defer { condition.unlock() }
            while urgent.isEmpty && ordinary.isEmpty && !closed { condition.wait() }
            if let job = firstUrgent() { return job }
            return ordinary.isEmpty ? nil : ordinary.removeFirst()
        }

        /// The next urgent job, if one is there.
        func takeUrgent() -> (() -> Void)? {
            guard urgentCount.load(ordering: .acquiring) > 0 else { return nil }
            return condition.withLock { firstUrgent() }
        }

        private func firstUrgent() -> (() -> Void)? {
            guard !urgent.isEmpty else { return nil }
            urgentCount.subtract(1, ordering: .relaxed)
            return urgent.removeFirst()
        }
    }
}
