// SPDX-License-Identifier: Apache-2.0

internal import COpenBLAS
internal import TesseraKV

/// LAPACK's routines that presses and bases need, on matrices that lie column by column.
enum LAPACK {
    /// The eigenvalues and eigenvectors of a symmetric matrix of which the lower triangle is read.
    ///
    /// - Returns: Eigenvalues, ascending, and unit vectors in the same order, (vector, dimension).
    static func eigen(
        lower matrix: [Double], order: Int
    ) throws(TesseraError) -> (values: [Double], vectors: [Double]) {
        var (values, vectors) = ([Double](repeating: 0, count: order), matrix)
        let order = [Int32(order)]
        try call("dsyev") { work, size, info in
            // Vectors too, of the lower triangle.
            dsyev_("V", "L", order, &vectors, order, &values, work, [size], info)
        }
        return (values, vectors)
    }

    /// QR with column pivoting: an orthonormal basis of what the columns span.
    ///
    /// - Parameters:
    ///   - columns: (column, row).
    ///   - rank: The most vectors of the basis; no more than there are rows or columns.
    ///   - negligible: What a column's rest has to be of the first one's length to count.
    /// - Returns: (vector, row).
    static func orthonormalBasis(
        of columns: [Double], rows: Int, rank: Int, negligible: Double
    ) throws(TesseraError) -> [Double] {
        var matrix = columns
        let count = columns.count / rows
        var order = [Int32](repeating: 0, count: count)
        var reflectors = [Double](repeating: 0, count: min(rows, count))
        let height = [Int32(rows)]
        try call("dgeqp3") { work, size, info in
            dgeqp3_(height, [Int32(count)], &matrix, height, &order, &reflectors, work, [size], info)
        }
        // The diagonal of R falls.
        let least = negligible * abs(matrix[0])
        let kept = (0..<rank).prefix { abs(matrix[$0 * rows + $0]) > least }.count
        guard kept > 0 else { return [] }
        try call("dorgqr") { work, size, info in
            dorgqr_(height, [Int32(kept)], [Int32(kept)], &matrix, height, reflectors, work, [size], info)
        }
        return Array(matrix[..<(rows * kept)])
    }

    /// Calls a routine twice: for the size of its work space, and for the work.
    private static func call(
        _ name: String,
        _ routine: (UnsafeMutablePointer<Double>, Int32, UnsafeMutablePointer<Int32>) -> Void
    ) throws(TesseraError) {
        var best = 0.0
        var info: Int32 = 0
        routine(&best, -1, &info)
        var work = [Double](repeating: 0, count: max(1, Int(best)))
        routine(&work, Int32(work.count), &info)
        guard info == 0 else {
            throw TesseraError(.invalidInput, "numbers of keys or values can't be decomposed (\(name) says \(info))")
        }
    }
}
