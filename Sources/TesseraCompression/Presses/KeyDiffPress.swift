// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Keeps the keys that are least like the others, without any query.
///
/// KeyDiff (Park et al., arXiv 2504.15364), §3: score = −cos(k, mean of all k/‖k‖), in each KV head, on keys with RoPE
/// applied. It needs nothing but stored tensors.
public struct KeyDiffPress: Press {
    /// A press.
    public init() {}

    /// `keydiff`.
    public var name: String { "keydiff" }
    /// Nothing.
    public var needs: PressNeeds { PressNeeds() }

    /// Each head's negative cosines.
    public func scores(of view: LayerView) -> TokenScores {
        TokenScores(
            heads: TokenSaliency.keyDifferences(view.keys, layout: view.layout).map { $0.map { Float($0) } })
    }
}
