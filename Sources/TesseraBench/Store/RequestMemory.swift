// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// The buffer of a request that a few chunks are placed in, and as many bytes to copy from.
final class RequestMemory {
    let chunks: Int
    private let tokens: Int
    private let buffer: KVBuffer
    private let angles: [RotaryAngles]
    private let source: [Float]

    init(layout: KVLayout, tokens: Int, chunks: Int) throws {
        (self.tokens, self.chunks) = (tokens, chunks)
        buffer = try KVBuffer(layout: layout, capacity: tokens * chunks)
        let rotary = RotaryTable(dimensions: layout.headDimension, base: 500_000, pairing: .interleaved)
        angles = (0..<chunks).map { chunk in
            rotary.angles(at: (0..<tokens).map { Int32(chunk * tokens + $0) })
        }
        source = [Float](repeating: 0.5, count: layout.layers * 2 * chunks * tokens * layout.width)
    }

    /// Bytes of the buffer that chunks fill.
    var byteCount: Int { source.count * MemoryLayout<Float>.size }

    func place(_ record: UnsafeRawBufferPointer, layer: Int, chunk: Int) throws(TesseraError) {
        try HalfCodec(.fp16).place(
            record, tokens: tokens, into: buffer, layer: layer, at: chunk * tokens, angles: angles[chunk])
    }

    /// Copies as many bytes to the same places, in the same pieces.
    func copy() {
        let width = buffer.layout.width * tokens
        source.withUnsafeBufferPointer { source in
            var from = 0
            for chunk in 0..<chunks {
                for layer in 0..<buffer.layout.layers {
                    for half in [buffer.keys(of: layer), buffer.values(of: layer)] {
                        guard let target = half.baseAddress, let start = source.baseAddress else { return }
                        memcpy(target + chunk * width, start + from, width * MemoryLayout<Float>.size)
                        from += width
                    }
                }
            }
        }
    }
}
