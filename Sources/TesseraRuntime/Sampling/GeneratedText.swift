// SPDX-License-Identifier: Apache-2.0

/// The text of tokens as they come: whole characters only, and nothing that may yet turn out to begin a stop text.
struct GeneratedText {
    private let stops: [[UInt8]]
    private var pending: [UInt8] = []
    /// Whether a stop text has come; the text ends in front of it.
    private(set) var isStopped = false

    init(stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// Adds a token's bytes and takes out the text that is certain now.
    mutating func add(_ bytes: [UInt8]) -> String {
        guard !isStopped else { return "" }
        pending += bytes
        if let stop = firstStop() {
            isStopped = true
            pending.removeSubrange(stop...)
            return rest()
        }
        let held = max(stops.map { overlap(with: $0) }.max() ?? 0, incompleteCharacter())
        return take(pending.count - held)
    }

    /// Takes out what was held back. Bytes of a character that never came to its end become U+FFFD.
    mutating func rest() -> String {
        take(pending.count)
    }

    private mutating func take(_ count: Int) -> String {
        defer { pending.removeFirst(count) }
        return String(decoding: pending[..<count], as: UTF8.self)
    }

    /// Where the first stop text begins.
    private func firstStop() -> Int? {
        pending.indices.first { start in stops.contains { pending[start...].starts(with: $0) } }
    }

    /// The number of bytes at the end that are a beginning of `stop`.
    private func overlap(with stop: [UInt8]) -> Int {
        (0..<min(stop.count, pending.count + 1)).last { pending.suffix($0).elementsEqual(stop.prefix($0)) } ?? 0
    }

    /// The number of bytes at the end that are the beginning of a character.
    private func incompleteCharacter() -> Int {
        for length in 1...3 where length <= pending.count {
            let byte = pending[pending.count - length]
            if byte & 0xC0 == 0x80 { continue }
            let needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return needed > length ? length : 0
        }
        return 0
    }
}
