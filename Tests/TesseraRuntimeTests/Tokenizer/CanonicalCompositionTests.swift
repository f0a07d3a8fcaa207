// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TesseraRuntime

struct CanonicalCompositionTests {
    /// Every character that composition changes must be classed as such; Foundation is right about single characters.
    @Test func `single characters are composed as Foundation composes them`() {
        var composition = CanonicalComposition()
        for value in 0x80...0x2FA1F as ClosedRange<UInt32> where !(0x3400...0x9FFF ~= value) {
            guard let scalar = Unicode.Scalar(value), let age = scalar.properties.age, age.major <= 9 else { continue }
            let text = String(Character(scalar))
            let expected = Array(text.precomposedStringWithCanonicalMapping.utf8)
            #expect(composed(text, &composition) == expected, "U+\(String(value, radix: 16))")
        }
    }

    /// Strings are equal in Swift when they are canonically equivalent: nothing may be lost or added.
    @Test func `long runs of marks are ordered and kept`() {
        var composition = CanonicalComposition()
        for marks in ["\u{301}\u{323}", "\u{344}", "\u{327}\u{5B0}\u{301}\u{345}"] {
            let text = "a" + String(repeating: marks, count: 300)
            let result = String(decoding: composed(text, &composition), as: UTF8.self)
            #expect(result == text)
        }
        let long = "a" + String(repeating: "\u{301}\u{323}", count: 100_000)
        let result = composed(long, &composition)
        #expect(result.starts(with: "\u{1EA1}\u{323}\u{323}".utf8))
        #expect(result.count == long.utf8.count)
    }

    @Test func `a blocked mark stays`() {
        var composition = CanonicalComposition()
        #expect(composed("a\u{334}\u{301}", &composition) == Array("\u{E1}\u{334}".utf8))
        #expect(composed("a\u{30A}\u{301}", &composition) == Array("\u{1FB}".utf8))
        #expect(composed("a\u{301}\u{30A}", &composition) == Array("\u{E1}\u{30A}".utf8))
        #expect(composed("\u{1100}\u{1161}\u{11A8}\u{11A8}", &composition) == Array("\u{AC01}\u{11A8}".utf8))
    }

    private func composed(_ text: String, _ composition: inout CanonicalComposition) -> [UInt8] {
        var text = text
        return text.withUTF8 { composition.composed($0) } ?? Array(text.utf8)
    }
}
