// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// A run of a prompt's tokens of one kind.
public struct PressSegment: Sendable, Hashable, Codable {
    /// What stands in it.
    public enum Kind: String, Sendable, Codable {
        /// Text.
        case text
        /// The patches of one screenshot.
        case frame
    }

    /// Its tokens.
    public var tokens: Range<Int>
    /// What stands in it.
    public var kind: Kind

    /// A run of tokens.
    public init(_ tokens: Range<Int>, _ kind: Kind) {
        self.tokens = tokens
        self.kind = kind
    }
}

extension [PressSegment] {
    /// Checks that the segments follow each other and cover a prompt.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the first that doesn't fit.
    public func validate(tokens: Int) throws(TesseraError) {
        var end = 0
        for segment in self {
            guard segment.tokens.lowerBound == end, !segment.tokens.isEmpty else {
                let fault = segment.tokens.lowerBound < end ? "overlaps the one before it" : "leaves a gap or is empty"
                throw TesseraError(
                    .invalidInput,
                    "the \(segment.kind.rawValue) segment \(segment.tokens) of the prompt \(fault): segments cover a "
                        + "prompt in order")
            }
            end = segment.tokens.upperBound
        }
        guard end == tokens else {
            throw TesseraError(.invalidInput, "the prompt's segments end at token \(end) of \(tokens)")
        }
    }

    /// The frames, in order.
    var frames: [Range<Int>] { filter { $0.kind == .frame }.map(\.tokens) }
}
