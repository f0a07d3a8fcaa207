// SPDX-License-Identifier: Apache-2.0

extension KVBuffer {
    /// Copies what a press keeps of a buffer into a smaller one.
    ///
    /// Slots and positions stay what they were: an answer goes on from where the prompt ended. With ``KeptTokens/merges``
    /// the value of each token that goes is averaged into that of the nearest one that stays, of two equally near the
    /// earlier.
    ///
    /// The merging is that of Elastic Cache (Liu et al., ECCV 2024, arXiv 2407.18121), §3.2. Deviation: values alone are
    /// merged, since the mean of keys that RoPE turned to different positions stands for none of them.
    ///
    /// - Parameters:
    ///   - kept: Of the buffer's first tokens.
    ///   - other: A whole buffer.
    ///   - room: The slots behind those tokens.
    /// - Throws: ``TesseraError`` of code `invalidInput` where the sets are not this buffer's, `full` when the memory can't
    ///   be had.
    public convenience init(keeping kept: KeptTokens, of other: KVBuffer, room: Int) throws(TesseraError) {
        let layout = other.layout
        guard other.pressed == 0, kept.tokens <= other.capacity, kept.layers.count == layout.layers,
            kept.layers.allSatisfy({ $0.count == 1 || $0.count == layout.heads })
        else {
            throw TesseraError(
                .invalidInput,
                "sets of \(kept.layers.count) layers over \(kept.tokens) tokens don't fit a whole buffer of "
                    + "\(layout.layers) layers, \(layout.heads) KV heads and \(other.capacity) slots")
        }
        let last = other.positions[..<kept.tokens].max() ?? -1
        let tail = (0..<room).map { last + 1 + Int32($0) }
        let positions = other.positions
        try self.init(
            layout: layout, positions: positions[..<kept.tokens] + tail, pressed: kept.tokens,
            dropped: kept.layers.indices.map { kept.tokens - kept.count(of: $0) },
            rowPositions: kept.layers.map { sets in
                sets[0].indices.map { row in sets.reduce(Int32.min) { max($0, positions[$1[row]]) } } + tail
            })
        for (layer, sets) in kept.layers.enumerated() {
            for head in 0..<layout.heads {
                let set = sets.count == 1 ? sets[0] : sets[head]
                copy(set, of: other.keys(of: layer), to: keys(of: layer), head)
                copy(set, of: other.values(of: layer), to: values(of: layer), head)
                if kept.merges { merge(kept.tokens, set, other.values(of: layer), into: values(of: layer), head) }
            }
        }
    }

    /// Copies a KV head's part of some tokens into the rows from 0 on.
    private func copy(
        _ tokens: [Int], of source: UnsafeMutableBufferPointer<Float>, to place: UnsafeMutableBufferPointer<Float>,
        _ head: Int
    ) {
        guard let from = source.baseAddress, let to = place.baseAddress else { return }
        let (width, dimension) = (layout.width, layout.headDimension)
        for (row, token) in tokens.enumerated() {
            (to + row * width + head * dimension).update(
                from: from + token * width + head * dimension, count: dimension)
        }
    }

    /// Averages the values of the tokens that are not in a set into those of their nearest neighbours in it.
    private func merge(
        _ tokens: Int, _ set: [Int], _ source: UnsafeMutableBufferPointer<Float>,
        into place: UnsafeMutableBufferPointer<Float>, _ head: Int
    ) {
        let (width, dimension) = (layout.width, layout.headDimension)
        for (row, bucket) in buckets(of: tokens, around: set).enumerated() where bucket.count > 1 {
            for index in head * dimension..<(head + 1) * dimension {
                place[row * width + index] =
                    bucket.reduce(0) { $0 + source[$1 * width + index] } / Float(bucket.count)
            }
        }
    }
}

/// The tokens that are nearest to each token of a set, of two equally near ones the earlier's; each stands in its own.
///
/// - Parameter set: Ascending and not empty.
func buckets(of tokens: Int, around set: [Int]) -> [Range<Int>] {
    let borders = zip(set, set.dropFirst()).map { ($0 + $1) / 2 + 1 }
    return zip([0] + borders, borders + [tokens]).map { $0..<$1 }
}
