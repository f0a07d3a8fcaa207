// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// Lets a model repeat its prompt, and takes down what it looks at meanwhile (``KVzipPress``).
///
/// The prompt is repeated in pieces that the model's context has room for behind it, each behind an instruction and the
/// last tokens of the piece before.
package struct Repetition {
    /// Tokens of the piece before that a piece begins with.
    private static let overlap = 8
    /// A piece of fewer tokens is not worth its instruction.
    private static let shortestPiece = 16
    /// The longest piece: KVzip's.
    private static let longestPiece = 2048

    private let instruction: [TokenID]
    private let pieces: [Range<Int>]
    private let ids: [TokenID]

    /// Plans the repetition of a prompt.
    ///
    /// - Parameter limit: The slots behind the prompt that may be used.
    /// - Throws: ``TesseraError`` of code `tooLong` where these are too few.
    package init(of ids: [TokenID], within limit: Int, tokenizer: any Tokenizer) throws(TesseraError) {
        instruction = tokenizer.encode("\n\nRepeat the text above:\n", special: false)
        let room = limit - instruction.count - Self.overlap
        guard room >= min(Self.shortestPiece, ids.count) else {
            throw TesseraError(
                .tooLong,
                "the prompt of \(ids.count) tokens leaves no room in the model's context to be repeated: \(limit) tokens "
                    + "are left; use another press")
        }
        let piece = min(room, Self.longestPiece)
        self.ids = ids
        pieces = stride(from: 0, to: ids.count, by: piece).map { $0..<min($0 + piece, ids.count) }
    }

    /// The slots that it needs behind the prompt.
    package var room: Int { instruction.count + Self.overlap + (pieces.first?.count ?? 0) }

    /// Repeats the prompt over its keys and values; slots behind the prompt are used and hold nothing afterwards.
    ///
    /// - Returns: For each layer the highest attention that each token received, (query head, token), and the rows that
    ///   were computed, summed over layers.
    package func run(
        _ runtime: any ModelRuntime, over buffer: KVBuffer, from position: Int32
    ) throws(TesseraError) -> (peaks: [[Float]], rows: Int) {
        var peaks: [[Float]] = []
        var rows = 0
        for piece in pieces {
            let lead = instruction + ids[max(0, piece.lowerBound - Self.overlap)..<piece.lowerBound]
            let tokens = lead + ids[piece]
            let slots = ids.count..<ids.count + tokens.count
            buffer.setPositions(tokens.indices.map { position + Int32($0) }, from: ids.count)
            let watch = RepetitionObserver(rows: Array(slots.dropFirst(lead.count)), keys: ids.count)
            let output = try runtime.prefill(
                PartialPrefill(
                    input: .tokens(tokens), slots: Array(slots), keyCount: slots.upperBound, logits: .none),
                over: buffer, observer: watch)
            rows += output.computedRows.reduce(0, +)
            peaks = peaks.isEmpty ? watch.peaks : zip(peaks, watch.peaks).map { zip($0, $1).map(max) }
        }
        return (peaks, rows)
    }
}

/// Takes down the highest attention that the prompt's keys receive.
private final class RepetitionObserver: LayerObserver {
    private let rows: [Int]
    private let keys: Int
    private(set) var peaks: [[Float]] = []

    init(rows: [Int], keys: Int) {
        self.rows = rows
        self.keys = keys
    }

    func needs(of layer: Int) -> LayerNeeds { LayerNeeds(receivedFrom: rows) }

    func layerReceived(_ received: LayerReceived) {
        // The last row is the last key.
        let width = (received.slots.last ?? 0) + 1
        peaks.append(
            stride(from: 0, to: received.peaks.count, by: width).flatMap { received.peaks[$0..<$0 + keys] })
    }
}
