// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// The directions that ``LowRankCodec`` keeps: for the keys and the values of each KV head of each layer a mean and
/// orthonormal vectors, the most telling first. An asset of one model, made once from its KV on calibration text.
///
/// Directions are the leading eigenvectors of the covariance (PCA), which TesseraCompression finds. MatryoshkaKV (arXiv 2410.14731) begins with the same
/// and then trains them with the model frozen; that training is not part of this, so the share of ranks that can be
/// spared is smaller than the paper's.
public struct LowRankBasis: Sendable, Equatable {
    /// What is kept of one head's keys or values.
    public struct Head: Sendable, Equatable {
        /// The mean, (dimension).
        public let mean: [Float]
        /// Orthonormal vectors, (rank, dimension).
        public let directions: [Float]

        /// How many directions there are.
        public var rank: Int { directions.count / mean.count }

        /// What is kept, as it is.
        package init(mean: [Float], directions: [Float]) {
            (self.mean, self.directions) = (mean, directions)
        }
    }

    /// The shape of keys and values.
    public let layout: KVLayout
    /// Heads, (layer, part, KV head).
    let heads: [Head]
    /// The digest of ``bytes`` before it, which tells bases apart.
    public let digest: Digest256

    /// What is kept of one head's keys or values.
    public func head(_ part: KVPart, layer: Int, head: Int) -> Head {
        heads[(2 * layer + part.rawValue) * layout.heads + head]
    }

    /// The heads of a layer's keys or values.
    func heads(_ part: KVPart, layer: Int) -> ArraySlice<Head> {
        let first = (2 * layer + part.rawValue) * layout.heads
        return heads[first..<first + layout.heads]
    }

    /// The rank of each head within a budget for all: one after another, the largest eigenvalue that is left.
    ///
    /// That is the choice of least squared error in all. It is nested: a larger budget takes no rank away. Of equal
    /// eigenvalues the head that comes first is taken.
    ///
    /// - Parameters:
    ///   - eigenvalues: Those of each head, in descending order.
    ///   - budget: The sum of ranks; where it exceeds the number of eigenvalues, all are taken.
    public static func ranks(of eigenvalues: [[Double]], budget: Int) -> [Int] {
        let all = eigenvalues.enumerated().flatMap { head, values in
            values.enumerated().map { (value: $1, head: head, index: $0) }
        }
        let order = all.sorted { ($1.value, $0.head, $0.index) < ($0.value, $1.head, $1.index) }
        var ranks = [Int](repeating: 0, count: eigenvalues.count)
        for entry in order.prefix(max(0, budget)) { ranks[entry.head] += 1 }
        return ranks
    }

    /// A basis of heads as they are, (layer, part, KV head).
    package init(_ layout: KVLayout, _ heads: [Head]) {
        (self.layout, self.heads) = (layout, heads)
        digest = Digest256(of: Self.body(layout, heads))
    }
}

// MARK: - Bytes

extension LowRankBasis {
    private static let magic: [UInt8] = Array("TLRB".utf8)
    private static let version: UInt32 = 1
    private static let headerByteCount = 20

    /// The basis as bytes.
    ///
    /// | bytes | field |
    /// |---|---|
    /// | 4 | `TLRB` |
    /// | 4 | version of the format, 1 |
    /// | 4, 4, 4 | layers, KV heads, dimensions of a head |
    /// | 4 each | ranks, (layer, part, KV head); keys are the first part, values the second |
    /// | 4 each | means, (layer, part, KV head, dimension), fp32 |
    /// | 4 each | directions, of each head in turn (rank, dimension), fp32 |
    /// | 32 | SHA-256 of all before |
    ///
    /// Numbers are little-endian.
    public var bytes: Data { Self.body(layout, heads) + digest.bytes }

    private static func body(_ layout: KVLayout, _ heads: [Head]) -> Data {
        var data = Data(magic)
        func append(_ number: UInt32) { withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) } }
        append(version)
        for extent in [layout.layers, layout.heads, layout.headDimension] { append(UInt32(extent)) }
        for head in heads { append(UInt32(head.rank)) }
        for head in heads { head.mean.forEach { append($0.bitPattern) } }
        for head in heads { head.directions.forEach { append($0.bitPattern) } }
        return data
    }

    /// Reads a basis.
    ///
    /// - Throws: ``TesseraError`` of code `unsupported` when a newer build wrote it, and of code `corrupt` when it is
    ///   damaged.
    public init(bytes data: Data) throws(TesseraError) {
        let damaged = TesseraError(.corrupt, "a low-rank basis is damaged; make it again from calibration text")
        let data = Data(data)
        func number(_ index: Int) -> UInt32 {
            data.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)) }
        }
        guard data.count >= Self.headerByteCount + 32, data.starts(with: Self.magic), number(1) > 0 else {
            throw damaged
        }
        guard number(1) <= Self.version else {
            throw TesseraError(
                .unsupported,
                "a low-rank basis is of version \(number(1)), and this build reads version \(Self.version); "
                    + "use the build that wrote it, or make it again from calibration text")
        }
        let body = data.dropLast(32)
        guard Digest256(of: body).bytes == Array(data.suffix(32)) else { throw damaged }
        let extents = (2..<5).map { Int(number($0)) }
        let limit = data.count / 4
        guard extents.allSatisfy({ $0 > 0 && $0 <= limit }), extents[0] * 2 * extents[1] <= limit else { throw damaged }
        let layout = KVLayout(layers: extents[0], heads: extents[1], headDimension: extents[2])
        let (count, dimension) = (2 * layout.layers * layout.heads, layout.headDimension)
        guard body.count >= Self.headerByteCount + 4 * count else { throw damaged }
        let ranks = (0..<count).map { Int(number(5 + $0)) }
        guard ranks.allSatisfy({ $0 <= dimension }),
            body.count == Self.headerByteCount + 4 * (count + count * dimension + ranks.reduce(0, +) * dimension)
        else { throw damaged }
        var next = 5 + count
        func floats(_ count: Int) -> [Float] {
            defer { next += count }
            return (next..<next + count).map { Float(bitPattern: number($0)) }
        }
        let means = ranks.map { _ in floats(dimension) }
        let directions = ranks.map { floats($0 * dimension) }
        guard (means + directions).allSatisfy({ $0.allSatisfy { abs($0) <= 1e6 } }) else { throw damaged }
        self.init(layout, zip(means, directions).map { Head(mean: $0, directions: $1) })
    }
}
