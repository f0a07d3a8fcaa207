// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// How many tokens stay: so many in each layer on average, or a share of those that there are.
public enum PressBudget: Sendable, Hashable, Codable {
    /// Tokens in a layer.
    case tokens(Int)
    /// A share of the prompt, above 0 and at most 1.
    case share(Double)

    /// Reads `256` or `20%`.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for anything else.
    public init(_ text: String) throws(TesseraError) {
        // A plus in front would be read as well.
        if text.first != "+", text.hasSuffix("%"), let percent = Double(text.dropLast()) {
            self = .share(percent / 100)
        } else if text.first != "+", let count = Int(text) {
            self = .tokens(count)
        } else {
            throw TesseraError(
                .invalidInput, "a budget is a number of tokens or a share of them (256, 20%), not “\(text)”")
        }
        try validate()
    }

    /// `256` or `20 %`.
    public var label: String {
        switch self {
        case .tokens(let count): "\(count)"
        case .share(let share): String(format: "%.3g %%", 100 * share)
        }
    }

    /// Refuses what no prompt can keep.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`.
    public func validate() throws(TesseraError) {
        switch self {
        case .tokens(let count) where count < 1:
            throw TesseraError(.invalidInput, "a budget of \(count) tokens keeps nothing; ask for at least 1")
        case .share(let share) where !(share > 0 && share <= 1):
            throw TesseraError(.invalidInput, "a budget is above 0 % and at most 100 %, not \(label)")
        default: break
        }
    }

    /// The tokens of a prompt that stay, on average over layers.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for more tokens than there are.
    public func count(of tokens: Int) throws(TesseraError) -> Int {
        try validate()
        switch self {
        case .share(let share): return max(1, Int(share * Double(tokens) + 1e-9))
        case .tokens(let count):
            guard count <= tokens else {
                throw TesseraError(.invalidInput, "a budget of \(count) tokens exceeds the \(tokens) that there are")
            }
            return count
        }
    }
}
