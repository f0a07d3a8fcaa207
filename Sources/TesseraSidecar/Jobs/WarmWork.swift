// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraAPI
internal import TesseraKV
internal import TesseraStore

/// What a warm-up has to compute.
struct WarmWork: Sendable {
    /// Whose store it fills.
    let cache: ContextCache
    /// The chunks, each once.
    var chunks: [[TokenID]]
    /// A system text whose leading run is kept; nil for none.
    var system: String?
    /// The ids of the chunks, by document.
    let documents: [Job.Document]

    /// Tokens of all chunks.
    var tokens: Int { chunks.reduce(0) { $0 + $1.count } }

    /// Chunks that are handed over at once: what is done is on disk after each.
    private static let batch = 16

    /// Computes what is missing.
    ///
    /// - Parameter progress: Told how many chunks are there, and what was computed for it.
    func run(_ progress: @escaping @Sendable (_ done: Int, _ computed: IngestProgress) -> Void)
        async throws(TesseraError)
    {
        let keys = chunks.map(cache.key)
        let present = try await cache.reading { (store) throws(TesseraError) in try store.contains(keys) }
        let missing = zip(chunks, present).filter { !$0.1 }.map(\.0)
        let known = chunks.count - missing.count
        var total = IngestProgress()
        progress(known, total)
        for start in stride(from: 0, to: missing.count, by: Self.batch) {
            let before = total
            let done = try await cache.warm(chunks: Array(missing[start..<min(missing.count, start + Self.batch)])) {
                now in
                progress(known + before.chunks + now.chunks, before + now)
            }
            total = before + done
        }
        if let system { try await cache.ingest(system: .text(system)) }
    }
}
