// SPDX-License-Identifier: Apache-2.0

/// Turns bytes from outside into text, or says where they are none.
public enum UTF8Text {
    /// The text of `bytes`, taken strictly: nothing is repaired or left out.
    ///
    /// - Parameters:
    ///   - bytes: The bytes of a file or of an argument.
    ///   - name: What they are, for the message.
    /// - Throws: ``TesseraError`` of code `invalidInput` that names the first byte which is no UTF-8.
    public static func decode(_ bytes: [UInt8], name: String) throws(TesseraError) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        throw TesseraError(
            .invalidInput, "\(name) is not UTF-8 text: byte \(firstError(in: bytes)) is none; convert it first")
    }

    private static func firstError(in bytes: [UInt8]) -> Int {
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: bytes.span)
            return bytes.count
        } catch {
            return error.byteOffsets.lowerBound
        }
    }
}
