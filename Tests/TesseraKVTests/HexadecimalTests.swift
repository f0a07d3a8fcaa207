// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@Suite struct HexadecimalTests {
    @Test func `digits of either case are bytes, anything else is none`() {
        #expect([UInt8](hexadecimal: "00fF7a") == [0, 255, 122])
        #expect([UInt8](hexadecimal: "") == [])
        for text in ["0", "0g", "+1", " 1", "0x10", "１２", "é0"] {
            #expect([UInt8](hexadecimal: text) == nil, "\(text)")
        }
        let digest = Digest256(of: [1, 2])
        #expect(Digest256(hexadecimal: digest.description) == digest)
        #expect(Digest256(hexadecimal: "00") == nil)
    }
}
