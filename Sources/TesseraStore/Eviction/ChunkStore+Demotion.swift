// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension ChunkStore {
    /// Writes a chunk anew in the form of ``EvictionOptions/demotion``, in the place of what is there.
    func demote(_ key: ChunkKey, _ session: StoreSession, _ ledger: inout Ledger) throws(TesseraError) -> Int? {
        guard let form = options.eviction.demotion else { return nil }
        return try rewrite(key, as: form, session, &ledger)
    }

    /// Writes a chunk anew in another form, in the place of what is there.
    ///
    /// The new layers are on disk before, in one commit, the header names them; whoever reads the old ones goes on doing so.
    /// Prefix records, which are there to be exact, and variants stay as they are.
    ///
    /// - Returns: The bytes that became free; nil where the chunk stays as it is: it is gone or damaged, it is no chunk that
    ///   was encoded alone, a codec with losses made it or tokens are left out of it already, it would get no smaller, or
    ///   there is no room for both for a moment.
    func rewrite(
        _ key: ChunkKey, as form: ColdForm, _ session: StoreSession, _ ledger: inout Ledger
    ) throws(TesseraError) -> Int? {
        guard let record = try demoted(key, to: form, session) else { return nil }
        let (old, new) = record
        let saved = RecordPlace.aligned(old.extent) - new.allocated
        // Beside the layers, its header is written anew, to the log and to the catalog.
        let needed = new.allocated + 9 * new.header.tokens.count + session.catalog.logByteCount(records: 1)
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

    /// A chunk's header, and the chunk in another form.
    private func demoted(
        _ key: ChunkKey, to form: ColdForm, _ session: StoreSession
    ) throws(TesseraError) -> (RecordHeader, OutgoingRecord)? {
        // What is there is the best copy, and the one to work from, as long as it has everything that was computed.
        guard let header = try? session.header(key), header.kind == .chunk, header.provenance == .isolated,
            form.canShrink(codec: header.codec, tokens: header.tokens.count, isWhole: header.kept == nil),
            let known = StoreCodec(rawValue: header.codec)
        else { return nil }
        let target = form.codec ?? known
        let chunk = StoredChunk(key: key, header: header)
        guard let bytes = try? session.layers(header.layers.indices, of: chunk) else { return nil }
        let numbers = ChunkNumbers(LoadedChunk(chunk, bytes), known.codec)
        let kept: [Int]?
        let layers: [[UInt8]]
        do {
            kept = try form.thinning?.kept(of: header.tokens.count, layout: header.layout, layer: numbers.layer)
            layers = try numbers.layers(of: kept, in: target.codec)
        } catch { return nil }
        guard target != known || kept != nil else { return nil }
        let record = ChunkRecord(
            kind: .chunk, fingerprint: header.fingerprint, namespace: header.namespace, tokens: header.tokens,
            kept: kept, layout: header.layout, codec: target.rawValue, layers: layers)
        try record.validate()
        return (header, try OutgoingRecord(record, created: header.created, session.database.cipher))
    }
}

/// The keys and values of a loaded chunk, a layer at a time.
private struct ChunkNumbers {
    private let chunk: LoadedChunk
    private let codec: any KVCodec
    private let angles: RotaryAngles

    init(_ chunk: LoadedChunk, _ codec: any KVCodec) {
        (self.chunk, self.codec) = (chunk, codec)
        // At position 0 the rotation changes nothing.
        let rotary = RotaryTable(
            dimensions: chunk.chunk.layout.headDimension / 2 * 2, base: 10_000, pairing: .interleaved)
        angles = rotary.angles(at: repeatElement(0, count: chunk.chunk.rows))
    }

    /// A layer's keys before RoPE, and its values.
    func layer(_ layer: Int) throws(TesseraError) -> (keys: [Float], values: [Float]) {
        let (layout, rows) = (chunk.chunk.layout, chunk.chunk.rows)
        let one = KVLayout(layers: 1, heads: layout.heads, headDimension: layout.headDimension)
        let buffer = try KVBuffer(layout: one, capacity: rows)
        try chunk.withLayer(layer) { (bytes) throws(TesseraError) in
            try codec.place(bytes, tokens: rows, into: buffer, layer: 0, at: 0, angles: angles)
        }
        return buffer.rows(0..<rows, of: 0)
    }

    /// All layers in another codec.
    ///
    /// - Parameter kept: The tokens that stay; nil for all.
    func layers(of kept: [Int]?, in target: any KVCodec) throws(TesseraError) -> [[UInt8]] {
        let layout = chunk.chunk.layout
        func rows(_ numbers: [Float]) -> [Float] {
            guard let kept else { return numbers }
            return kept.flatMap { numbers[$0 * layout.width..<($0 + 1) * layout.width] }
        }
        var layers: [[UInt8]] = []
        for index in 0..<layout.layers {
            let (keys, values) = try layer(index)
            layers.append(
                try target.encode(layer: index, keys: rows(keys), values: rows(values), layout: layout))
        }
        return layers
    }
}
