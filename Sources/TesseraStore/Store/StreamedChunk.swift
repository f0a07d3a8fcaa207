// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
package import TesseraKV

/// A record whose layers are read and verified as they are asked for, each once.
///
/// For as long as this object lives nothing of the record is given back to the disk, be it removed meanwhile. A layer that
/// turns out damaged makes the whole record a miss, though others have been handed out: whoever used them starts over.
package final class StreamedChunk: Sendable {
    private struct State {
        /// What has been read: the whole record bit by bit where it is kept, else the last group.
        var memory: LayerMemory?
        var groupsLeft: Set<Int>
        var bytes: LayerBytes?
        var group: Range<Int>?
    }

    /// The record.
    package let chunk: StoredChunk
    private let store: ChunkStore
    private let session: StoreSession
    /// Nil where the record is in the hot tier.
    private let reader: LayerReader?
    private let hot: LoadedChunk?
    /// Room in the hot tier, for a record that goes there when all of it has been read.
    private let room: HotTier.Reservation?
    private let state: Mutex<State>

    /// A record of the hot tier.
    init(hot: LoadedChunk, _ store: ChunkStore, _ session: StoreSession) {
        (chunk, self.hot, self.store, self.session) = (hot.chunk, hot, store, session)
        (reader, room) = (nil, nil)
        state = Mutex(State(groupsLeft: []))
    }

    /// - Parameter room: Room in the hot tier; nil for a record that isn't kept.
    init(
        _ chunk: StoredChunk, _ reader: LayerReader, room: HotTier.Reservation?, _ store: ChunkStore,
        _ session: StoreSession
    ) {
        (self.chunk, self.reader, self.room, self.store, self.session) = (chunk, reader, room, store, session)
        hot = nil
        state = Mutex(State(groupsLeft: Set(reader.groups.map(\.lowerBound))))
    }

    /// Whether the record comes from memory.
    var isHot: Bool { hot != nil }

    /// The name of the codec that reads the bytes handed out.
    package var codec: String { hot?.codec ?? chunk.codec }

    /// Calls `body` with the bytes of a layer, verified.
    ///
    /// - Throws: `corrupt` when the layer is damaged (the record is counted and taken out), `notFound` when the record
    ///   was removed before it could be read, `io` when it can't be read, or what `body` throws.
    package func withLayer<Result>(
        _ layer: Int, _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Result
    ) throws(TesseraError) -> Result {
        precondition(chunk.header.layers.indices.contains(layer), "layer beyond the record")
        if let hot { return try hot.withLayer(layer, body) }
        let (bytes, first) = try state.withLock { (state) throws(TesseraError) in
            try room != nil ? kept(layer, &state) : passing(layer, &state)
        }
        return try bytes.withLayer(layer - first, body)
    }

    /// A layer of a record that is kept: everything goes where it stays.
    private func kept(_ layer: Int, _ state: inout State) throws(TesseraError) -> (LayerBytes, first: Int) {
        guard let reader else { throw removed }
        let all = chunk.header.layers.indices
        let memory = state.memory ?? session.memory.take(reader.byteCount(of: all))
        state.memory = memory
        let bytes = state.bytes ?? reader.bytes(all, of: all, in: memory)
        state.bytes = bytes
        let group = reader.group(of: layer)
        if state.groupsLeft.contains(group.lowerBound) {
            let target = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[reader.place(of: group, in: all)])
            try read(group, into: target)
            state.groupsLeft.remove(group.lowerBound)
            if state.groupsLeft.isEmpty, let room {
                session.hot.admit(LoadedChunk(chunk, bytes).unpacked(session.memory), room)
            }
        }
        return (bytes, 0)
    }

    /// A layer of a record that is not kept: memory that the processor's cache knows is used again and again.
    private func passing(_ layer: Int, _ state: inout State) throws(TesseraError) -> (LayerBytes, first: Int) {
        guard let reader else { throw removed }
        if let group = state.group, let bytes = state.bytes, group.contains(layer) { return (bytes, group.lowerBound) }
        (state.bytes, state.group) = (nil, nil)
        let group = reader.group(of: layer)
        let memory = session.memory.take(reader.byteCount(of: group))
        try read(group, into: memory.bytes)
        let bytes = reader.bytes(group, of: group, in: memory)
        (state.bytes, state.group) = (bytes, group)
        return (bytes, group.lowerBound)
    }

    private func read(_ group: Range<Int>, into memory: UnsafeMutableRawBufferPointer) throws(TesseraError) {
        do {
            if try reader?.readGroup(group, into: memory) == true { return }
        } catch {
            store.noteFailedRead(error)
            throw error
        }
        if try store.settle(chunk, session) { throw removed }
        throw TesseraError(.corrupt, "the record is damaged and was taken out of the store")
    }

    private var removed: TesseraError { TesseraError(.notFound, "the record has been removed from the store") }
}
