// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Where prompts and chunks are computed: a queue of its own, so that neither a cache's actor nor the cooperative pool is
/// blocked. The calling task goes there and comes back, so that its cancellation is seen.
actor ComputeThread {
    private let executor = BlockingExecutor(label: "tessera.compute")

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Runs work that blocks.
    func run<R: Sendable>(_ body: @Sendable () throws(TesseraError) -> R) throws(TesseraError) -> R {
        try body()
    }
}
