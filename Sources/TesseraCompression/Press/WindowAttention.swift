// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What the last tokens of a prompt look at, smoothed: what SnapKV and those after it score by.
struct WindowAttention {
    /// The sums over the window, smoothed, (query head, token in front of the window).
    let sums: [[Float]]
    /// The tokens of the window.
    let window: Range<Int>

    /// - Parameters:
    ///   - press: The press that asks, for messages.
    ///   - kernel: The width of the smoothing, odd.
    /// - Throws: ``TesseraError`` of code `invalidInput` for a kernel that is not odd, and for no window at all.
    init(_ view: LayerView, kernel: Int, for press: some Press) throws(TesseraError) {
        guard kernel > 0, kernel % 2 == 1 else {
            throw TesseraError(.invalidInput, "\(press.name) smooths over an odd number of tokens, not \(kernel)")
        }
        guard let first = view.window.first else {
            throw TesseraError(.invalidInput, "\(press.name) needs a window of 1 token or more that votes")
        }
        let tokens = view.tokens
        window = first..<tokens
        let sums = view.windowSums()
        self.sums = (0..<view.queryHeads).map { head in
            averagePool(Array(sums[head * tokens..<head * tokens + first]), kernel: kernel)
        }
    }

    /// Scores of some tokens in front of the window, with the window itself to stay.
    func scores(_ heads: [[Float]]) -> TokenScores {
        var scores = TokenScores(heads: heads.map { $0 + Array(repeating: 0, count: window.count) })
        scores.protect(window)
        return scores
    }

    /// Scores of each KV head, the mean of its query heads' sums.
    func scoresOfHeads(_ view: LayerView) -> TokenScores {
        scores((0..<view.layout.heads).map { head in mean(of: head * view.group..<(head + 1) * view.group) })
    }

    /// The mean of some query heads' sums.
    func mean(of heads: some Collection<Int>) -> [Float] {
        let tokens = window.lowerBound
        return (0..<tokens).map { token in heads.reduce(0) { $0 + sums[$1][token] } / Float(heads.count) }
    }
}

/// Running means of an odd width, with zeros beyond both ends, which count.
func averagePool(_ numbers: [Float], kernel: Int) -> [Float] {
    let reach = kernel / 2
    return numbers.indices.map { index in
        let range = max(0, index - reach)...min(numbers.count - 1, index + reach)
        return numbers[range].reduce(0, +) / Float(kernel)
    }
}
