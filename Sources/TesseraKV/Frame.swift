// SPDX-License-Identifier: Apache-2.0

/// One screenshot: pixels of 8-bit red, green and blue.
public struct Frame: Sendable, Hashable {
    /// Pixels in a row.
    public let width: Int
    /// Rows.
    public let height: Int
    /// (row, column, colour), from the upper left.
    public let pixels: [UInt8]

    /// A frame of its pixels.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` where the pixels are not as many as the extents say.
    public init(width: Int, height: Int, pixels: [UInt8]) throws(TesseraError) {
        guard width > 0, height > 0, pixels.count == 3 * width * height else {
            throw TesseraError(.invalidInput, "\(pixels.count) bytes are not a frame of \(width) × \(height) pixels")
        }
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}
