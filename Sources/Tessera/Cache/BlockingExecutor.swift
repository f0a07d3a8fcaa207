// SPDX-License-Identifier: Apache-2.0

internal import Dispatch

/// Runs an actor's work on a queue of its own: prefill and disk reads block for seconds, and the cooperative pool has
/// no thread to spare for that.
final class BlockingExecutor: SerialExecutor {
    private let queue: DispatchQueue

    init(label: String) {
        queue = DispatchQueue(label: label)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
