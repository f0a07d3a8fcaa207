// SPDX-License-Identifier: Apache-2.0

/// Takes server-sent events apart, as the HTML standard has them, from bytes that come in pieces of any length.
///
/// Only the data of events counts: names, ids and comments are passed over, as the sidecar writes none.
struct ServerSentEventParser: Sendable {
    /// An event that is larger than was allowed for.
    struct EventTooLarge: Error {}

    private let mostEventBytes: Int
    /// Events that are whole.
    private var ready: ArraySlice<[UInt8]> = []
    /// The data of the event that is under way; nil before its first line of data.
    private var data: [UInt8]?
    /// The line that is under way, without its end.
    private var line: [UInt8] = []
    private var isFirstLine = true
    /// Whether a line feed would belong to the carriage return before it.
    private var skipsLineFeed = false
    private var isTooLarge = false

    /// Makes a parser.
    ///
    /// - Parameter mostEventBytes: The most bytes that one event and the line under way take in memory.
    init(mostEventBytes: Int) {
        self.mostEventBytes = mostEventBytes
    }

    /// Takes more of the stream.
    mutating func feed(_ bytes: some Collection<UInt8>) {
        var rest = bytes[...]
        while let first = rest.first, !isTooLarge {
            if skipsLineFeed {
                skipsLineFeed = false
                if first == Self.lineFeed {
                    rest = rest.dropFirst()
                    continue
                }
            }
            let end = rest.firstIndex { $0 == Self.lineFeed || $0 == Self.carriageReturn } ?? rest.endIndex
            let piece = rest[..<end]
            guard line.count + (data?.count ?? 0) + piece.count <= mostEventBytes else {
                isTooLarge = true
                return
            }
            line += piece
            rest = rest[end...]
            guard let ending = rest.popFirst() else { return }
            skipsLineFeed = ending == Self.carriageReturn
            takeLine()
        }
    }

    /// The data of the next whole event; nil where more has to be fed before there is one.
    ///
    /// - Throws: ``EventTooLarge`` behind the last event before the one that is.
    mutating func next() throws(EventTooLarge) -> [UInt8]? {
        if let event = ready.popFirst() { return event }
        guard !isTooLarge else { throw EventTooLarge() }
        return nil
    }

    // MARK: Lines

    private mutating func takeLine() {
        var content = line[...]
        if isFirstLine, content.starts(with: Self.byteOrderMark) { content = content.dropFirst(3) }
        isFirstLine = false
        if content.isEmpty {
            if let data { ready.append(data) }
            data = nil
        } else {
            takeField(content)
        }
        line.removeAll(keepingCapacity: true)
    }

    private mutating func takeField(_ content: ArraySlice<UInt8>) {
        // A comment has nothing in front of its colon, and so the name of no field.
        let name = content.prefix { $0 != Self.colon }
        guard name.elementsEqual(Self.dataField) else { return }
        var value = content.dropFirst(name.count + 1)
        if value.first == Self.space { value = value.dropFirst() }
        guard data != nil else {
            data = Array(value)
            return
        }
        data?.append(Self.lineFeed)
        data?.append(contentsOf: value)
    }

    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let colon = UInt8(ascii: ":")
    private static let space = UInt8(ascii: " ")
    private static let dataField = Array("data".utf8)
    private static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
}
