// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// A press that keeps the first and the last tokens whatever they score.
///
/// The first tokens take the attention that heads have no use for, and losing them ruins an answer; the last ones are
/// being spoken of. Wrap no press whose paper has no such rule where the paper is to be reproduced.
public struct Protecting: Press {
    /// The press whose scores the others keep.
    public var base: any Press
    /// The first tokens that stay.
    public var first: Int
    /// The last tokens that stay.
    public var last: Int

    /// Wraps a press.
    public init(_ base: any Press, first: Int = 4, last: Int = 8) {
        self.base = base
        self.first = first
        self.last = last
    }

    /// That of the press itself.
    public var name: String { base.name }
    /// Those of the press itself.
    public var needs: PressNeeds { base.needs }
    /// That of the press itself.
    public var reduction: TokenScores.Reduction { base.reduction }

    /// Those of the press itself, and infinite ones.
    ///
    /// - Throws: what the press throws, and ``TesseraError`` of code `invalidInput` for negative counts.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        var scores = try base.scores(of: view)
        try scores.protect(first: first)
        try scores.protect(last: last)
        return scores
    }
}
