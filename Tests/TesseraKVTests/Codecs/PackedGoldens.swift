// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import Testing

/// What numpy makes of small layers (`Fixtures/goldens/codecs.py`).
struct PackedGoldens: Decodable, Sendable, CustomTestStringConvertible {
    struct Case: Decodable, Sendable {
        let codec: String
        let record: String
        let keys, values: [Float]
    }

    let heads, dimension, tokens, layer: Int
    let basis: String
    let keys, values, saliency: [Float]
    let codecs: [Case]

    var testDescription: String { "\(heads) × \(dimension)" }

    static let all: [PackedGoldens] = {
        let file = URL(fileURLWithPath: #filePath).appending(path: "../../../../Fixtures/goldens/codecs.json")
            .standardized
        do {
            return try JSONDecoder().decode([PackedGoldens].self, from: Data(contentsOf: file))
        } catch {
            preconditionFailure("the goldens of codecs can't be read: \(error)")
        }
    }()
}
