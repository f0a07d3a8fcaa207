// SPDX-License-Identifier: Apache-2.0

internal import Tessera
public import TesseraKV

extension CompressionSuite {
    /// Reads a file of episodes of screenshots, one a line: `{"frames": [[…]], "questions": [{"question": …, "answers":
    /// […], "kind": …}]}`. A frame is square and made of tiles, row by row, numbered as they stand in an atlas, row by
    /// row.
    ///
    /// - Parameters:
    ///   - atlas: The picture of all tiles.
    ///   - tile: The width and height of a tile in pixels.
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the line.
    public static func episodes(
        _ text: String, named name: String, atlas: Frame, tile: Int = 8
    ) throws(TesseraError) -> CompressionSuite {
        struct Line: Decodable {
            var frames: [[Int]]
            var questions: [Question]
        }
        let tiles = Tiles(atlas, tile: tile)
        var items: [Item] = []
        for (number, line) in try JSONLines.read(Line.self, of: text, named: name) {
            var frames: [Frame] = []
            for numbers in line.frames {
                guard let frame = try tiles.frame(numbers) else {
                    throw TesseraError(
                        .invalidInput, "\(name), line \(number), has a frame that is not a square of known tiles")
                }
                frames.append(frame)
            }
            items.append(Item(prompt: Prompt(frames: frames, question: ""), questions: line.questions))
        }
        return CompressionSuite(items: items)
    }
}

/// An atlas of square tiles.
private struct Tiles {
    private let atlas: Frame
    private let tile: Int

    init(_ atlas: Frame, tile: Int) {
        (self.atlas, self.tile) = (atlas, tile)
    }

    /// The frame that some tiles make; nil where they make none.
    func frame(_ numbers: [Int]) throws(TesseraError) -> Frame? {
        let side = Int(Double(numbers.count).squareRoot().rounded())
        let columns = atlas.width / tile
        let known = columns * (atlas.height / tile)
        guard side > 0, side * side == numbers.count, numbers.allSatisfy({ (0..<known).contains($0) }) else {
            return nil
        }
        var pixels: [UInt8] = []
        pixels.reserveCapacity(3 * numbers.count * tile * tile)
        for y in 0..<side * tile {
            for column in 0..<side {
                let number = numbers[y / tile * side + column]
                let row = number / columns * tile + y % tile
                let start = 3 * (row * atlas.width + number % columns * tile)
                pixels += atlas.pixels[start..<start + 3 * tile]
            }
        }
        return try Frame(width: side * tile, height: side * tile, pixels: pixels)
    }
}
