// SPDX-License-Identifier: Apache-2.0

package import TesseraCompression
package import TesseraKV

/// Where a screenshot stands in a prompt, and what it enters the model as.
package struct FrameSlots: Sendable, Equatable {
    /// The slots of its patches.
    package let slots: Range<Int>
    /// (patch, model width).
    package let embeddings: [Float]

    /// The same, one slot further on.
    var shifted: FrameSlots {
        FrameSlots(slots: slots.lowerBound + 1..<slots.upperBound + 1, embeddings: embeddings)
    }
}

extension [FrameSlots] {
    /// What enters the first layer at some slots: ids, and embeddings where there are none.
    ///
    /// - Parameters:
    ///   - ids: Those of all slots, −1 in the screenshots' place.
    ///   - slots: Ascending, with each screenshot whole or not at all.
    package func input(_ ids: [TokenID], at slots: [Int]) -> PartialPrefill.Input {
        guard !isEmpty else { return .tokens(slots.map { ids[$0] }) }
        let runs = compactMap { frame in
            slots.firstIndex(of: frame.slots.lowerBound).map { first in
                PartialPrefill.EmbeddedRows(first..<first + frame.slots.count, frame.embeddings)
            }
        }
        return .mixed(slots.map { Swift.max(0, ids[$0]) }, runs)
    }

    /// The prompt's segments: frames, and text between them.
    package func segments(tokens: Int) -> [PressSegment] {
        var segments: [PressSegment] = []
        var end = 0
        for frame in self {
            if end < frame.slots.lowerBound { segments.append(PressSegment(end..<frame.slots.lowerBound, .text)) }
            segments.append(PressSegment(frame.slots, .frame))
            end = frame.slots.upperBound
        }
        if end < tokens { segments.append(PressSegment(end..<tokens, .text)) }
        return segments
    }
}
