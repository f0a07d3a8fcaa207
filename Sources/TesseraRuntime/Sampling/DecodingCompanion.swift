// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Mends stale rows of the prompt while an answer is decoded: the decode stage of KVShare (arXiv 2503.16525 v2, its
/// second high-deviation stage), where each step recomputes a few more of the reused tokens.
///
/// The rows go through all layers together with the decoded token, each with the prompt's own mask: it sees what stands
/// at its position and before. So a companion that hands out rows in ascending order over the steps mends them as a
/// prefill would; in any other order a row is computed from neighbours that are still stale.
public protocol DecodingCompanion: AnyObject {
    /// Rows of the prompt to recompute together with the next decoded token.
    ///
    /// - Parameter step: Which token of the answer is computed, from 0.
    /// - Returns: Slots below the answer's first, ascending and without repeats, with their token ids; empty for none.
    func rows(before step: Int) -> [(slot: Int, token: TokenID)]

    /// Watches the step's layers; may be the companion itself.
    var observer: (any LayerObserver)? { get }
}

extension DecodingCompanion {
    /// By default none.
    public var observer: (any LayerObserver)? { nil }
}
