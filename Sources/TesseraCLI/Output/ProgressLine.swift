// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Progress on standard error: a bar that redraws itself on a terminal, a plain line now and then elsewhere.
struct ProgressLine {
    private let total: Int
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now
    private var shown: ContinuousClock.Instant?

    /// Starts at nothing of `total` steps.
    init(total: Int) {
        self.total = total
    }

    /// Shows that `done` steps are done.
    mutating func show(_ done: Int, _ detail: String) {
        let now = ContinuousClock.now
        let interval: Duration = isTerminal ? .milliseconds(100) : .seconds(5)
        if let shown, now - shown < interval, done < total { return }
        shown = now
        let elapsed = (now - start) / .seconds(1)
        let left = done > 0 ? elapsed / Double(done) * Double(total - done) : 0
        let text = "\(done)/\(total) chunks, \(detail), \(String(format: "%.0f", left)) s left"
        if isTerminal {
            let filled = total > 0 ? 24 * done / total : 24
            let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: 24 - filled)
            write("\r\u{1B}[K\(bar) \(text)" + (done == total ? "\n" : ""))
        } else {
            write("\(text)\n")
        }
    }

    private func write(_ text: String) {
        Console.tell(text)
    }
}
