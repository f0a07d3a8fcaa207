// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

extension Codecs {
    @Suite struct `store codecs` {
        @Test func `have these names`() {
            #expect(StoreCodec.names == ["fp16", "bf16", "fp16-zstd", "bf16-zstd", "q8", "k8v4", "q4", "zipcache"])
        }

        @Test(arguments: StoreCodec.allCases) func `are found by the name that they state`(name: StoreCodec) {
            #expect(name.codec.name == name.rawValue)
            #expect(StoreCodec.codec(named: name.rawValue)?.name == name.rawValue)
        }

        @Test(arguments: ["", "FP16", "fp16-zstd ", "q5", "lowrank"]) func `are no others`(name: String) {
            #expect(StoreCodec.codec(named: name) == nil)
        }

        @Test(arguments: [StoreCodec.fp16, .bf16, .q8, .k8v4, .q4, .zipcache])
        func `stay as they are in memory, unless entropy-coded`(name: StoreCodec) throws {
            let layout = KVLayout(layers: 1, heads: 3, headDimension: 7)
            var generator = SplitMix64(seed: 1)
            let record = try name.codec.encode(
                keys: generator.floats(4 * layout.width), values: generator.floats(4 * layout.width), layout: layout)
            #expect(name.codec.unpackedCodec == nil)
            #expect(record.count == name.codec.byteCount(tokens: 4, layout: layout))
            var copy = [UInt8](repeating: 0, count: record.count)
            try copy.withUnsafeMutableBytes { copy in
                try record.withUnsafeBytes { try name.codec.unpack($0, tokens: 4, layout: layout, into: copy) }
            }
            #expect(copy == record)
        }
    }
}
