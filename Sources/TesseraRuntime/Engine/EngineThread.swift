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
        _ body: (_ isCancelled: () -> Bool) throws(TesseraError) -> R
    ) throws(TesseraError) -> R {
        let call = Call()
        var result: Result<R, TesseraError>?
        withoutActuallyEscaping(body) { body in
            // The caller waits, so that nothing here is touched by two threads at once.
            nonisolated(unsafe) let body = body
            nonisolated(unsafe) let slot = withUnsafeMutablePointer(to: &result) { $0 }
            inbox.put {
                do throws(TesseraError) {
                    slot.pointee = .success(try body { call.cancelled.load(ordering: .relaxed) })
                } catch {
                    slot.pointee = .failure(error)
                }
                call.finish()
            }
            call.wait()
        }
        guard let result else { preconditionFailure("an engine job ended without a result") }
        return try result.get()
    }

    /// One handed-over job, seen from the caller.
    private final class Call: Sendable {
        let cancelled = Atomic<Bool>(false)
        private let done = DispatchSemaphore(value: 0)

        func finish() {
            done.signal()
        }

        /// Waits for the end and meanwhile passes the cancellation of the calling task on.
        func wait() {
            while done.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
                if Task.isCancelled { cancelled.store(true, ordering: .relaxed) }
            }
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
