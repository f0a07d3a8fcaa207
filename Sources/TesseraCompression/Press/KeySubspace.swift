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
        case .pivotedQR: basis = try Self.orthogonal(numbers, dimension, rank)
        // The first columns of Q without pivoting span the first keys, and so do those with pivoting of these keys
        // alone, which tells how many dimensions they have.
        case .firstKeys: basis = try Self.orthogonal(Array(numbers[..<(rank * dimension)]), dimension, rank)
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
        var vectors = [Double](repeating: 0, count: dimension * dimension)
        let order = Int32(dimension)
        cblas_dsyrk(
            CblasColMajor, CblasLower, CblasNoTrans, order, Int32(keys.count / dimension), 1, keys, order, 0, &vectors,
            order)
        var eigenvalues = [Double](repeating: 0, count: dimension)  // ascending
        try callLAPACK("dsyev") { work, size, info in
            // Vectors too, of the lower triangle.
            dsyev_("V", "L", [order], &vectors, [order], &eigenvalues, work, [size], info)
        }
        let least = negligible * negligible * (eigenvalues.last ?? 0)
        return (dimension - rank..<dimension).reversed().filter { eigenvalues[$0] > least }.flatMap { index in
            vectors[index * dimension..<(index + 1) * dimension]
        }
    }

    /// The first columns of Q in QR, with column pivoting, of the matrix whose columns are the keys.
    private static func orthogonal(
        _ keys: [Double], _ dimension: Int, _ rank: Int
    ) throws(TesseraError) -> [Double] {
        var matrix = keys
        let count = Int32(keys.count / dimension)
        var order = [Int32](repeating: 0, count: Int(count))
        var reflectors = [Double](repeating: 0, count: min(dimension, Int(count)))
        let rows = [Int32(dimension)]
        try callLAPACK("dgeqp3") { work, size, info in
            dgeqp3_(rows, [count], &matrix, rows, &order, &reflectors, work, [size], info)
        }
        // The diagonal of R falls.
        let least = negligible * abs(matrix[0])
        let kept = (0..<rank).prefix { abs(matrix[$0 * dimension + $0]) > least }.count
        guard kept > 0 else { return [] }
        try callLAPACK("dorgqr") { work, size, info in
            dorgqr_(rows, [Int32(kept)], [Int32(kept)], &matrix, rows, reflectors, work, [size], info)
        }
        return Array(matrix[..<(dimension * kept)])
    }

    /// Calls a routine of LAPACK twice: for the size of its work space, and for the work.
    private static func callLAPACK(
        _ name: String,
        _ routine: (UnsafeMutablePointer<Double>, Int32, UnsafeMutablePointer<Int32>) -> Void
    ) throws(TesseraError) {
        var best = 0.0
        var info: Int32 = 0
        routine(&best, -1, &info)
        var work = [Double](repeating: 0, count: max(1, Int(best)))
        routine(&work, Int32(work.count), &info)
        guard info == 0 else {
            throw TesseraError(.invalidInput, "keys of the current frame have no subspace (\(name) says \(info))")
        }
    }
}
