// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension ChunkStore {
    /// Writes a chunk anew in the codec of ``EvictionOptions/demotion``, in the place of what is there.
    func demote(_ key: ChunkKey, _ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) -> Int? {
        guard let target = options.eviction.demotion else { return nil }
        return try rewrite(key, in: target, session, &ledger)
    }

    /// Writes a chunk anew in another codec, in the place of what is there.
    ///
    /// The new layers are on disk before, in one commit, the header names them; whoever reads the old ones goes on doing so.
    /// Prefix records, which are there to be exact, and variants stay as they are.
    ///
    /// - Returns: The bytes that became free; nil where the chunk stays as it is: it is gone or damaged, it is no chunk that
    ///   was encoded alone, a codec with losses made it, it would get no smaller, or there is no room for both for a moment.
    func rewrite(
        _ key: ChunkKey, in target: StoreCodec, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) -> Int? {
        guard let record = try demoted(key, to: target.codec, session) else { return nil }
        let (old, new) = record
        let saved = RecordPlace.aligned(old.extent) - new.allocated
        // Beside the layers, its header is written anew, to the log and to the catalog.
        let needed = new.allocated + 8 * new.header.tokens.count + session.catalog.logByteCount(records: 1)
        let cap = Int(clamping: ledger.state.diskCap)
        let room = room(forLayers: session, ledger) + demotionByteCount(ledger) - ledger.layerBytes
        guard saved > 0, cap == 0 || needed <= room,
            session.directory.freeByteCount() - new.allocated >= options.freeDiskFloor
        else { return nil }
        do {
            try write([new], replacing: [old], session, &ledger)
        } catch  where error.code == .full { return nil }
        reclaim(session, &ledger)
        return saved
    }

    /// A chunk's header, and the chunk in another codec.
    private func demoted(
        _ key: ChunkKey, to target: any KVCodec, _ session: StoreSession
    ) throws(TesseraError) -> (RecordHeader, OutgoingRecord)? {
        guard let header = try? session.header(key), header.kind == .chunk, header.provenance == .isolated,
            header.codec != target.name, let known = StoreCodec(rawValue: header.codec), known.isFaithful
        else { return nil }
        let codec = known.codec
        let chunk = StoredChunk(key: key, header: header)
        guard let bytes = try? session.layers(header.layers.indices, of: chunk) else { return nil }
        let loaded = LoadedChunk(chunk, bytes)
        guard let layers = try? Self.layers(of: loaded, by: codec, in: target) else { return nil }
        let record = ChunkRecord(
            kind: .chunk, fingerprint: header.fingerprint, namespace: header.namespace, tokens: header.tokens,
            layout: header.layout, codec: target.name, layers: layers)
        return (header, try OutgoingRecord(record, created: header.created, session.database.cipher))
    }

    private static func layers(
        of chunk: LoadedChunk, by codec: any KVCodec, in target: any KVCodec
    ) throws(TesseraError) -> [[UInt8]] {
        let (layout, tokens) = (chunk.chunk.layout, chunk.chunk.tokens.count)
        let one = KVLayout(layers: 1, heads: layout.heads, headDimension: layout.headDimension)
        let buffer = try KVBuffer(layout: one, capacity: tokens)
        // At position 0 the rotation changes nothing.
        let rotary = RotaryTable(dimensions: layout.headDimension / 2 * 2, base: 10_000, pairing: .interleaved)
        let angles = rotary.angles(at: repeatElement(0, count: tokens))
        var layers: [[UInt8]] = []
        for layer in 0..<layout.layers {
            try chunk.withLayer(layer) { (bytes) throws(TesseraError) in
                try codec.place(bytes, tokens: tokens, into: buffer, layer: 0, at: 0, angles: angles)
            }
            let (keys, values) = buffer.rows(0..<tokens, of: 0)
            layers.append(
                try target.encode(keys: keys, values: values, layout: layout, hints: EncodingHints(layer: layer)))
        }
        return layers
    }
}
