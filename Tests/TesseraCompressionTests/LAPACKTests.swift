// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraCompression

struct `linear algebra` {
    @Test(arguments: [1, 2, 5, 32, 64]) func `finds eigenvectors of a symmetric matrix`(n: Int) throws {
        var random = SplitMix64(seed: 3)
        let noise = random.floats(n * n)
        var matrix = [Double](repeating: 0, count: n * n)
        for row in 0..<n {
            for column in 0..<n {
                matrix[row * n + column] = Double(noise[row * n + column] + noise[column * n + row])
            }
        }
        let (values, vectors) = try LAPACK.eigen(lower: matrix, order: n)
        #expect(values == values.sorted())
        for first in 0..<n {
            let vector = Array(vectors[first * n..<(first + 1) * n])
            for row in 0..<n {
                let image = (0..<n).reduce(0.0) { $0 + matrix[row * n + $1] * vector[$1] }
                #expect(abs(image - values[first] * vector[row]) < 1e-11)
            }
            for second in 0..<n {
                let product = (0..<n).reduce(0.0) { $0 + vector[$1] * vectors[second * n + $1] }
                #expect(abs(product - (first == second ? 1 : 0)) < 1e-12)
            }
        }
    }
}
