// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@Suite struct `What a codec can't keep` {
    @Test(arguments: StoreCodec.allCases, [Float.nan, .infinity, -.infinity])
    func `is named by its layer and its token`(codec: StoreCodec, number: Float) throws {
        let layout = KVLayout(layers: 9, heads: 2, headDimension: 4)
        let sound = [Float](repeating: 0.5, count: 6 * layout.width)
        var wrong = sound
        wrong[4 * layout.width + 3] = number
        for (keys, values) in [(wrong, sound), (sound, wrong)] {
            do {
                _ = try codec.codec.encode(layer: 7, keys: keys, values: values, layout: layout)
                Issue.record("\(codec) keeps \(number)")
            } catch {
                #expect(error.code == .invalidInput)
                #expect(error.message.hasPrefix("in layer 7, token 4 has a key or value that is not finite"))
            }
        }
        #expect(
            try codec.codec.encode(layer: 7, keys: sound, values: sound, layout: layout)
                == codec.codec.encode(keys: sound, values: sound, layout: layout))
    }
}
