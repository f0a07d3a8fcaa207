// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A queue of its own for work that computes, so that neither a cache's actor nor the cooperative pool is blocked. The calling task goes there and comes back, so that its cancellation is seen.
actor ComputeThread {
    private let executor: BlockingExecutor

    init(label: String) {
        executor = BlockingExecutor(label: label)
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Runs work that blocks.
    func run<R: Sendable>(_ body: @Sendable () throws(TesseraError) -> R) throws(TesseraError) -> R {
        try body()
    }
}
