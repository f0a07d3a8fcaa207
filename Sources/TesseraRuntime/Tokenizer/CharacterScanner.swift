// SPDX-License-Identifier: Apache-2.0

/// Reads kinds of characters from valid UTF-8.
struct CharacterScanner {
    let text: UnsafeBufferPointer<UInt8>
    private let classes = CharacterClass.ofBasicPlane

    init(_ text: UnsafeBufferPointer<UInt8>) {
        self.text = text
    }

    /// The kind of the character at a place, and where the next one begins; nil at the end of the text.
    @inline(__always)
    func character(at place: Int) -> (kind: CharacterClass.Kind, end: Int)? {
        guard place < text.count else { return nil }
        let first = UInt32(text[place])
        if first < 0x80 { return (classes[Int(first)].kind, place + 1) }
        if first < 0xE0 { return (classes[Int((first & 0x1F) << 6 | tail(place + 1))].kind, place + 2) }
        if first < 0xF0 {
            let value = (first & 0x0F) << 12 | tail(place + 1) << 6 | tail(place + 2)
            return (classes[Int(value)].kind, place + 3)
        }
        let value = (first & 0x07) << 18 | tail(place + 1) << 12 | tail(place + 2) << 6 | tail(place + 3)
        return (Unicode.Scalar(value).map { CharacterClass($0).kind } ?? .other, place + 4)
    }

    @inline(__always)
    private func tail(_ place: Int) -> UInt32 {
        UInt32(text[place] & 0x3F)
    }

    /// Where the run of characters of one kind ends that begins at a place; at most some characters are taken.
    func end(of wanted: CharacterClass.Kind, from place: Int, atMost limit: Int = .max) -> Int {
        var end = place
        var count = 0
        while count < limit, let next = character(at: end), next.kind == wanted {
            end = next.end
            count += 1
        }
        return end
    }

    /// Where the character before a place begins.
    func start(before place: Int) -> Int {
        var start = place - 1
        while start > 0 && text[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }
}
