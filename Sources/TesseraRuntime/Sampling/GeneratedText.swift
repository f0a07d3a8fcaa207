// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The text of tokens as they come: whole characters only, and nothing that may yet turn out to begin a stop text.
struct GeneratedText {
    private let stops: [[UInt8]]
    private var decoder: StreamingDecoder
    private var pending: [UInt8] = []
    /// Whether a stop text has come; the text ends in front of it.
    private(set) var isStopped = false

    init(_ tokenizer: any Tokenizer, stops: [String]) {
        decoder = StreamingDecoder(tokenizer)
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// Adds a token and takes out the text that is certain now.
    mutating func add(_ token: TokenID) -> String {
        guard !isStopped else { return "" }
        pending += decoder.feed(token).utf8
        if let stop = firstStop() {
            isStopped = true
            pending.removeSubrange(stop...)
            return take(stop)
        }
        return take(pending.count - (stops.map { overlap(with: $0) }.max() ?? 0))
    }

    /// Takes out what was held back.
    mutating func rest() -> String {
        guard !isStopped else { return "" }
        pending += decoder.finish().utf8
        return take(pending.count)
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
}
