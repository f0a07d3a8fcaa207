// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Finds tokens that stand in a text by their names: the leftmost, and of those that begin at one place the longest.
struct TokenMatcher: Sendable {
    /// The children of the nodes of a trie, by node and byte; node 0 is the root.
    private var children: [UInt64: Int] = [:]
    /// The token that ends at a node.
    private var ends: [TokenID?] = [nil]
    /// Which bytes begin a token: nearly all of a text is passed over by this alone.
    private var begins = [Bool](repeating: false, count: 256)
    private var isEmpty = true

    init(_ tokens: [(name: [UInt8], id: TokenID)]) {
        for (name, id) in tokens {
            guard let first = name.first else { continue }
            isEmpty = false
            begins[Int(first)] = true
            var node = 0
            for byte in name { node = child(of: node, by: byte) }
            ends[node] = id
        }
    }

    private mutating func child(of node: Int, by byte: UInt8) -> Int {
        if let child = children[key(node, byte)] { return child }
        children[key(node, byte)] = ends.count
        ends.append(nil)
        return ends.count - 1
    }

    private func key(_ node: Int, _ byte: UInt8) -> UInt64 {
        UInt64(node) << 8 | UInt64(byte)
    }

    /// Hands over the parts of a text in order: runs without a token, none of them empty, and tokens.
    func split(
        _ text: UnsafeBufferPointer<UInt8>, run: (UnsafeBufferPointer<UInt8>) -> Void, token: (TokenID) -> Void
    ) {
        func hand(_ range: Range<Int>) {
            if !range.isEmpty { run(UnsafeBufferPointer(rebasing: text[range])) }
        }
        guard !isEmpty else { return hand(0..<text.count) }
        var start = 0
        var place = 0
        while place < text.count {
            guard begins[Int(text[place])], let (id, end) = longest(in: text, at: place) else {
                place += 1
                continue
            }
            hand(start..<place)
            token(id)
            place = end
            start = end
        }
        hand(start..<text.count)
    }

    private func longest(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> (id: TokenID, end: Int)? {
        var found: (TokenID, Int)?
        var node = 0
        for place in start..<text.count {
            guard let child = children[key(node, text[place])] else { break }
            node = child
            if let id = ends[node] { found = (id, place + 1) }
        }
        return found
    }
}
