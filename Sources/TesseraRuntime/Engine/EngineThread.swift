// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import TesseraKV

/// The one thread that an engine computes on. Calls from anywhere hand their work over and wait; they are served in
/// the order of their coming.
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
    /// `body` is lent a flag that becomes true when the calling task is cancelled meanwhile.
    func run<R>(
        _ body: @escaping (_ isCancelled: @escaping () -> Bool) throws(TesseraError) -> R
    ) throws(TesseraError) -> R {
        guard !Task.isCancelled else { throw TesseraError(.cancelled, "the task was cancelled") }
        let call = Call<R>()
        inbox.put {
            do throws(TesseraError) {
                call.finish(.success(try body { call.cancelled.load(ordering: .relaxed) }))
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
        let cancelled = Atomic<Bool>(false)
        private let done = DispatchSemaphore(value: 0)
        private var outcome: Result<R, TesseraError>?

        func finish(_ outcome: Result<R, TesseraError>) {
            self.outcome = outcome
            done.signal()
        }

        /// Waits for the end and meanwhile passes the cancellation of the calling task on.
        func result() -> Result<R, TesseraError> {
            while done.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
                if Task.isCancelled { cancelled.store(true, ordering: .relaxed) }
            }
            guard let outcome else { preconditionFailure("an engine job ended without an outcome") }
            return outcome
        }
    }

    /// Jobs on their way to the thread.
    ///
    /// `@unchecked Sendable` because all state is guarded by the condition.
    private final class Inbox: @unchecked Sendable {
        private let condition = NSCondition()
        private var jobs: [() -> Void] = []
        private var closed = false

        func put(_ job: @escaping () -> Void) {
            condition.withLock { jobs.append(job) }
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
            while jobs.isEmpty && !closed { condition.wait() }
            return jobs.isEmpty ? nil : jobs.removeFirst()
        }
    }
}
