// SPDX-License-Identifier: Apache-2.0

internal import COpenBLAS
internal import TesseraKV

/// The subspace that some keys span, as far as a number of dimensions describes it.
struct KeySubspace {
    private let basis: [Double]  // (basis vector, dimension), orthonormal
    private let dimension: Int

    /// What a direction has to be of the largest one to count: beneath it there is nothing but the rounding of Floats.
    private static let negligible = 1e-6

    /// - Parameters:
    ///   - keys: (key, dimension); finite.
    ///   - rank: The dimensions of the subspace; no more are taken than the keys span.
    init(_ keys: [Float], dimension: Int, rank: Int, basis kind: GUIKVPress.Basis) throws(TesseraError) {
        let rank = min(rank, keys.count / dimension, dimension)
        let numbers = keys.map(Double.init)
        self.dimension = dimension
        switch kind {
        case .singularVectors: basis = try Self.singularVectors(numbers, dimension, rank)
        case .pivotedQR:
            basis = try LAPACK.orthonormalBasis(
                of: numbers, rows: dimension, rank: rank, negligible: Self.negligible)
        // The first columns of Q without pivoting span the first keys, and so do those with pivoting of these keys
        // alone, which tells how many dimensions they have.
        case .firstKeys:
            basis = try LAPACK.orthonormalBasis(
                of: Array(numbers[..<(rank * dimension)]), rows: dimension, rank: rank, negligible: Self.negligible)
        }
    }

    /// ‖k − QQᵀk‖ for keys of shape (key, dimension): what the subspace lacks of each.
    func residuals(_ keys: [Float]) -> [Double] {
        var rests = keys.map(Double.init)
        let (count, rank, width) = (Int32(keys.count / dimension), Int32(basis.count / dimension), Int32(dimension))
        if count > 0, rank > 0 {
            var along = [Double](repeating: 0, count: Int(count * rank))
            cblas_dgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, count, rank, width, 1, rests, width, basis, width, 0, &along,
                rank)
            cblas_dgemm(
                CblasRowMajor, CblasNoTrans, CblasNoTrans, count, width, rank, -1, along, rank, basis, width, 1, &rests,
                width)
        }
        return stride(from: 0, to: rests.count, by: dimension).map { start in
            rests[start..<start + dimension].reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
    }

    /// The eigenvectors of KᵀK with the largest eigenvalues: the d × d matrix is the smaller one.
    private static func singularVectors(
        _ keys: [Double], _ dimension: Int, _ rank: Int
    ) throws(TesseraError) -> [Double] {
        var gram = [Double](repeating: 0, count: dimension * dimension)
        let order = Int32(dimension)
        cblas_dsyrk(
            CblasColMajor, CblasLower, CblasNoTrans, order, Int32(keys.count / dimension), 1, keys, order, 0, &gram,
            order)
        let (values, vectors) = try LAPACK.eigen(lower: gram, order: dimension)
        let least = negligible * negligible * (values.last ?? 0)
        return (dimension - rank..<dimension).reversed().filter { values[$0] > least }.flatMap { index in
            vectors[index * dimension..<(index + 1) * dimension]
        }
    }
}
