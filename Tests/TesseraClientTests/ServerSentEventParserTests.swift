// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TesseraClient

struct `a stream of server-sent events` {
    /// What a parser makes of pieces; nil for an event that is too large.
    private func events(_ pieces: [some Collection<UInt8>], most: Int = 1 << 20) -> [String?] {
        var parser = ServerSentEventParser(mostEventBytes: most)
        var events: [String?] = []
        for piece in pieces {
            parser.feed(piece)
            do throws(ServerSentEventParser.EventTooLarge) {
                while let event = try parser.next() { events.append(String(decoding: event, as: UTF8.self)) }
            } catch {
                return events + [nil]
            }
        }
        return events
    }

    private func events(_ text: String, most: Int = 1 << 20) -> [String?] {
        events([Array(text.utf8)], most: most)
    }

    @Test(arguments: [
        ("data: a\n\ndata: b\n\n", ["a", "b"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        ("data: a\r\rdata: b\r\r", ["a", "b"]),
        ("data: a\r\n\ndata: b\n\r\n", ["a", "b"]),
        ("data: a\ndata: b\ndata:c\n\n", ["a\nb\nc"]),
        ("data:a\n\ndata:  b\n\ndata: : c\n\n", ["a", " b", ": c"]),
        (": note\ndata: a\n:\n\n:\n\n", ["a"]),
        ("event: news\nid: 7\nretry: 10\ndata: a\n\n", ["a"]),
        ("dat: x\ndatas: y\nDATA: z\n data: w\ndata: a\n\n", ["a"]),
        ("data\n\ndata:\ndata\n\n", ["", "\n"]),
        ("\n\n\r\n\n", []),
        ("id: 1\n\n", []),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", ["a"]),
        ("data: a\n\ndata: unfinished", ["a"]),
        ("data: a\n\ndata: unfinished\n", ["a"]),
    ])
    func `is taken apart as the standard has it`(_ text: String, _ wanted: [String]) {
        #expect(events(text) == wanted)
    }

    @Test func `may come in pieces that are cut anywhere`() {
        let text =
            "\u{feff}: hello\r\ndata: {\"a\": \"Müße 🧩\"}\r\n\r\nevent: x\rdata: 1\rdata: é\r\r:\n\ndata: [DONE]\n\n"
        let bytes = Array(text.utf8)
        let wanted = ["{\"a\": \"Müße 🧩\"}", "1\né", "[DONE]"]
        #expect(events([bytes]) == wanted)
        #expect(events(bytes.map { [$0] }) == wanted)
        for cut in bytes.indices { #expect(events([bytes[..<cut], bytes[cut...]]) == wanted, "cut at \(cut)") }
        for first in bytes.indices {
            for second in stride(from: first, to: bytes.count, by: 3) {
                let pieces = [bytes[..<first], bytes[first..<second], bytes[second...]]
                #expect(events(pieces) == wanted, "cut at \(first) and \(second)")
            }
        }
    }

    @Test func `has events of bounded size`() {
        #expect(events("data: 0123\n\n", most: 10) == ["0123"])
        #expect(events("data: 01234\n\n", most: 10) == [nil])
        // Events before it are read first.
        #expect(events("data: 1\n\ndata: 2\n\ndata: 0123456789\n\n", most: 10) == ["1", "2", nil])
        // Many lines, comments and lines without an end count too.
        #expect(events(String(repeating: "data: 1\n", count: 5), most: 10) == [nil])
        #expect(events(": 0123456789", most: 10) == [nil])
        #expect(events("data: 1\n\n" + String(repeating: ":\n", count: 100) + "data: 2\n\n", most: 10) == ["1", "2"])
        #expect(events(Array(repeating: Array("abc".utf8), count: 100), most: 100) == [nil])
    }
}
