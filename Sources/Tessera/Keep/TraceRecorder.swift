// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import Synchronization
internal import TesseraEviction
internal import TesseraKV

/// Writes down which chunks requests asked for, for `tessera simulate`: their keys, sizes and costs, no text.
final class TraceRecorder: Sendable {
    private let writer: Mutex<TraceWriter>
    private let namespace: String

    /// Goes on with a trace, or begins one.
    ///
    /// - Parameter namespace: The tenant whose requests they are.
    init(_ path: String, namespace: String) throws(TesseraError) {
        guard !namespace.contains(where: { $0 == "," || $0.isNewline }) else {
            throw TesseraError(.invalidInput, "a trace has no place for a namespace with commas or ends of lines")
        }
        self.namespace = namespace
        writer = Mutex(try TraceWriter(appendingTo: path))
    }

    /// Writes down a request's chunks; they are in the file when the call returns.
    func record(_ chunks: [CachedObject], keys: [ChunkKey]) throws(TesseraError) {
        let now = (Date().timeIntervalSince1970 * 1000).rounded() / 1000
        try writer.withLock { (writer) throws(TesseraError) in
            for (chunk, key) in zip(chunks, keys) {
                try writer.append(
                    TraceRequest(time: now, object: chunk), key: String(key.digest.description.prefix(16)),
                    namespace: namespace)
            }
            try writer.flush()
        }
    }
}

extension ContextCache {
    /// Writes down the chunks of a prompt, where that is wanted. An answer does not fail for it.
    func recordTrace(of tokens: PromptTokens) {
        guard let recorder else { return }
        let keys = tokens.contexts.map { key(of: Array(tokens.ids[$0])) }
        let chunks = zip(keys, tokens.contexts).map { key, slots in
            CachedObject(
                key: ObjectKey(0), bytes: recordBytes(tokens: slots.count),
                cost: ChunkCost(model)(slots.count))
        }
        do throws(TesseraError) {
            try recorder.record(chunks, keys: keys)
        } catch {
            log.warning("this request is not in the trace: \(error.message)")
        }
    }
}
