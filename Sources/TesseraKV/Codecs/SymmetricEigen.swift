// SPDX-License-Identifier: Apache-2.0

/// The eigenvalues and eigenvectors of a small symmetric matrix, by cyclic Jacobi rotations (Golub and Van Loan, *Matrix
/// Computations*, §8.5): slower than a reduction to tridiagonal form, but short, backward stable, and orthogonal to the
/// last bits.
struct SymmetricEigen {
    /// In descending order.
    let values: [Double]
    /// Unit vectors in the same order, (vector, dimension).
    let vectors: [Double]

    /// Takes a matrix of shape (dimension, dimension).
    ///
    /// - Complexity: dimension³, times some ten sweeps.
    init(_ matrix: [Double], dimension: Int) {
        precondition(matrix.count == dimension * dimension, "a square matrix")
        var (a, v) = (matrix, [Double](repeating: 0, count: dimension * dimension))
        for index in 0..<dimension { v[index * dimension + index] = 1 }
        let total = a.reduce(0) { $0 + $1 * $1 }
        for _ in 0..<64 {
            var off = 0.0
            for row in 0..<dimension {
                for column in 0..<row { off += 2 * a[row * dimension + column] * a[row * dimension + column] }
            }
            if off <= 1e-30 * total { break }
            for p in 0..<dimension {
                for q in p + 1..<max(dimension, p + 1) { Self.rotate(&a, &v, p, q, dimension) }
            }
        }
        let order = (0..<dimension).sorted { (a[$1 * dimension + $1], $0) < (a[$0 * dimension + $0], $1) }
        values = order.map { a[$0 * dimension + $0] }
        vectors = order.flatMap { v[$0 * dimension..<($0 + 1) * dimension] }
    }

    /// Rotates dimensions p and q so that their product vanishes. `v` holds vectors in its rows.
    private static func rotate(_ a: inout [Double], _ v: inout [Double], _ p: Int, _ q: Int, _ n: Int) {
        let product = a[p * n + q]
        guard product != 0 else { return }
        let theta = (a[q * n + q] - a[p * n + p]) / (2 * product)
        let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let cosine = 1 / (tangent * tangent + 1).squareRoot()
        let sine = tangent * cosine
        func turn(_ m: inout [Double], _ first: Int, _ second: Int, step: Int) {
            m.withUnsafeMutableBufferPointer { m in
                for k in 0..<n {
                    let (x, y) = (m[first + k * step], m[second + k * step])
                    m[first + k * step] = cosine * x - sine * y
                    m[second + k * step] = sine * x + cosine * y
                }
            }
        }
        turn(&a, p, q, step: n)
        turn(&a, p * n, q * n, step: 1)
        turn(&v, p * n, q * n, step: 1)
    }
}
