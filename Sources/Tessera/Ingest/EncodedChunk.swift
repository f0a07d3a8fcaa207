// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// A run of tokens whose KV was just computed, not in the store yet.
struct EncodedChunk: LayerSource {
    /// Its ids, without any prefix.
    var tokens: [TokenID]
    /// One record per layer.
    var layers: [[UInt8]]
    /// What made them.
    var codec: any KVCodec
    /// What was seen of its attention to the chunks that it was captured behind; nil where it was encoded alone.
    var statistics: ChunkStatistics?
    /// Those chunks.
    var behind: [ChunkKey] = []
    /// How long its computation stood aside for answers.
    var waited = Duration.zero

    var key: ChunkKey? { nil }
    var tokenCount: Int { tokens.count }
    var byteCount: Int { layers.reduce(0) { $0 + $1.count } }

    func place(
        _ layer: Int, into buffer: KVBuffer, at slot: Int, angles: RotaryAngles
    ) throws(TesseraError) {
        // A closure of stdlib's can't throw typed errors; the failure is carried out by hand.
        var failure: TesseraError?
        layers[layer].withUnsafeBytes { record in
            do throws(TesseraError) {
                try codec.place(record, tokens: tokens.count, into: buffer, layer: layer, at: slot, angles: angles)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
