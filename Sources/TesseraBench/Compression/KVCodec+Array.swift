// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension KVCodec {
    /// Decodes a layer record that is an array; see ``KVCodec/place(_:tokens:into:layer:at:angles:)``.
    func place(
        _ record: [UInt8], tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int = 0, angles: RotaryAngles
    ) throws(TesseraError) {
        // A closure of the standard library's can't throw typed errors.
        let outcome: Result<Void, TesseraError> = record.withUnsafeBytes { bytes in
            Result { () throws(TesseraError) in
                try place(bytes, tokens: tokens, into: buffer, layer: layer, at: slot, angles: angles)
            }
        }
        try outcome.get()
    }
}
