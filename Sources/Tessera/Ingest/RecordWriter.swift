// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization
internal import TesseraKV
internal import TesseraStore

/// Writes records in batches behind the back of the computation, which goes on with the next chunks meanwhile.
///
/// At most one batch is being written and one being filled, so memory stays bounded; a slower disk slows the caller.
final class RecordWriter: Sendable {
    private struct State {
        var batch: [ChunkRecord] = []
        var bytes = 0
        var failure: TesseraError?
    }

    private let store: ChunkStore
    private let scope: RecordScope?
    /// A batch is written when it holds this many bytes.
    private let batchBytes: Int
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "tessera.writer")

    /// - Parameter scope: Records that are not given up for these; nil for none.
    init(store: ChunkStore, namespace: String, sparing scope: RecordScope? = nil) {
        (self.store, self.scope) = (store, scope)
        batchBytes = store.batchByteCount(of: namespace)
    }

    /// Takes a record over; it is durable once ``finish()`` has returned.
    func add(_ record: ChunkRecord) throws(TesseraError) {
        let isFull = state.withLock { state in
            state.batch.append(record)
            state.bytes += record.byteCount
            return state.bytes >= batchBytes
        }
        if isFull { try flush() }
    }

    /// Writes what is left and waits for all of it.
    func finish() throws(TesseraError) {
        try flush()
        queue.sync {}
        try rethrow()
    }

    /// Waits for the batch before, then hands this one over.
    private func flush() throws(TesseraError) {
        queue.sync {}
        try rethrow()
        let batch = state.withLock { state in
            defer { (state.batch, state.bytes) = ([], 0) }
            return state.batch
        }
        guard !batch.isEmpty else { return }
        queue.async {
            do throws(TesseraError) {
                _ = try self.store.put(batch, sparing: self.scope)
            } catch {
                self.state.withLock { $0.failure = error }
            }
        }
    }

    private func rethrow() throws(TesseraError) {
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
