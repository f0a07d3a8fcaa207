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
            heads: (0..<view.layout.heads).map { head in
                keyDifference(view.keys(ofHead: head), dimension: view.layout.headDimension)
            })
    }
}

/// −cos(k, mean of all k/‖k‖) of keys of shape (token, dimension); a key of zeros scores 0.
func keyDifference(_ keys: [Float], dimension: Int) -> [Float] {
    let starts = stride(from: 0, to: keys.count, by: dimension)
    // Squares of Floats may be beyond Float's range, never beyond Double's.
    func product(_ start: Int, _ other: (Int) -> Double) -> Double {
        (0..<dimension).reduce(0) { $0 + Double(keys[start + $1]) * other($1) }
    }
    let norms = starts.map { start in product(start) { Double(keys[start + $0]) }.squareRoot() }
    var anchor = [Double](repeating: 0, count: dimension)
    for (start, norm) in zip(starts, norms) where norm != 0 {
        for index in anchor.indices { anchor[index] += Double(keys[start + index]) / norm }
    }
    let length = anchor.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return zip(starts, norms).map { start, norm in
        norm == 0 || length == 0 ? 0 : Float(-product(start) { anchor[$0] } / norm / length)
    }
}
