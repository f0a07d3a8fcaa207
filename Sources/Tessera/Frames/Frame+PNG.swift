// SPDX-License-Identifier: Apache-2.0

internal import CPNG
internal import Foundation
public import TesseraKV

extension Frame {
    /// More pixels than any screen has; a file that claims them is not read.
    private static let largest = 1 << 26

    /// Reads a PNG file; what is transparent in it becomes black.
    ///
    /// - Throws: ``TesseraError`` of code `notFound` or `io` when the file can't be read, `invalidInput` when it is no PNG
    ///   file or too large.
    public init(png path: String) throws(TesseraError) {
        guard FileManager.default.fileExists(atPath: path) else {
            throw TesseraError(.notFound, "there is no frame \(path)")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw TesseraError(.io, "the frame \(path) can't be read")
        }
        try self.init(png: Array(data), name: path)
    }

    /// Reads the bytes of a PNG file.
    ///
    /// - Parameter name: What messages call it.
    /// - Throws: ``TesseraError`` of code `invalidInput` when it is no PNG file or too large.
    public init(png bytes: [UInt8], name: String) throws(TesseraError) {
        // libpng keeps the address of the bytes from one call to the next.
        let read: Result<(width: Int, height: Int, pixels: [UInt8]), TesseraError> = bytes.withUnsafeBytes { bytes in
            Result { () throws(TesseraError) in try Self.read(bytes, name) }
        }
        let image = try read.get()
        try self.init(width: image.width, height: image.height, pixels: image.pixels)
    }

    private static func read(
        _ bytes: UnsafeRawBufferPointer, _ name: String
    ) throws(TesseraError) -> (width: Int, height: Int, pixels: [UInt8]) {
        var image = png_image()
        image.version = UInt32(PNG_IMAGE_VERSION)
        // Frees what reading allocated, also behind an error.
        defer { png_image_free(&image) }
        guard let start = bytes.baseAddress, png_image_begin_read_from_memory(&image, start, bytes.count) != 0 else {
            throw TesseraError(.invalidInput, "\(name) is no PNG file: \(message(of: image))")
        }
        let (width, height) = (Int(image.width), Int(image.height))
        guard width * height <= largest else {
            throw TesseraError(.invalidInput, "the frame \(name) has \(width) × \(height) pixels, which is too large")
        }
        image.format = UInt32(PNG_FORMAT_FLAG_COLOR)
        var pixels = [UInt8](repeating: 0, count: 3 * width * height)
        var black = png_color(red: 0, green: 0, blue: 0)
        guard png_image_finish_read(&image, &black, &pixels, Int32(3 * width), nil) != 0 else {
            throw TesseraError(.invalidInput, "the frame \(name) is damaged: \(message(of: image))")
        }
        return (width, height, pixels)
    }

    private static func message(of image: png_image) -> String {
        withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
