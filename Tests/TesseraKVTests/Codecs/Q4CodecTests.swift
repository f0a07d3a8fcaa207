// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

extension Codecs {
    @Suite struct `q4 codec` {
        @Test(arguments: [1, 2, 3, 8, 16, 20, 48, 64, 80, 96, 128, 256])
        func `a Hadamard rotation is its own inverse and keeps lengths`(dimension: Int) {
            let numbers = Codecs.normals(3 * 2 * dimension)
            var turned = numbers
            ck_hadamard(&turned, 3, 2, dimension)
            #expect(dimension % 2 == 1 || turned != numbers)
            for head in 0..<6 {
                func length(_ x: [Float]) -> Float {
                    x[head * dimension..<(head + 1) * dimension].reduce(0) { $0 + $1 * $1 }
                }
                #expect(abs(length(turned) - length(numbers)) < 1e-5 * length(numbers))
            }
            ck_hadamard(&turned, 3, 2, dimension)
            #expect(largestDifference(turned, numbers) < 4e-6)
        }

        @Test func `a Hadamard rotation of a unit vector is a row of signs`() {
            // H of 4 in Sylvester's order, twice in a head of 12, and nothing elsewhere.
            var numbers = [Float](repeating: 0, count: 12)
            numbers[4 + 2] = 2
            ck_hadamard(&numbers, 1, 1, 12)
            #expect(numbers == [0, 0, 0, 0, 1, 1, -1, -1, 0, 0, 0, 0])
        }

        /// The nearest level of the plain scale errs by half the widest gap at most, and no other scale was taken that errs
        /// more in all.
        @Test(arguments: [1e-3, 1, 300, 4000] as [Float], [5, 37])
        func `errs no more than a plain scale would`(spread: Float, tokens: Int) throws {
            for shape in [Codecs.Shape(2, 32, 0), Codecs.Shape(3, 7, 0), Codecs.Shape(1, 64, 0)] {
                let width = shape.layout.width
                let numbers = Codecs.normals(tokens * width, seed: 12).map { $0 * spread + 3 * spread }
                let placed = try Codecs.roundTrip(numbers, numbers, by: Q4Codec(), shape)
                #expect(placed.keys == placed.values)
                for index in 0..<4 * width {
                    #expect(placed.keys[index] == Float(Float16(numbers[index])))
                }
                for token in 4..<tokens {
                    let row = token * width..<(token + 1) * width
                    let error = zip(placed.keys[row], numbers[row]).reduce(Float(0)) {
                        $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
                    }
                    // 16.5 of 127 is half of the widest gap; five deviations bound a coefficient here.
                    #expect(error <= Float(width) * pow(16.5 / 127 * 5 * spread, 2))
                }
            }
        }

        @Test func `keeps the spread of keys with outlying dimensions`() throws {
            let shape = Codecs.Shape(4, 128, 0)
            var generator = SplitMix64(seed: 13)
            let offsets = (0..<512).map { _ in
                Int.random(in: 0..<16, using: &generator) == 0 ? Float.random(in: 8...20, using: &generator) : 0
            }
            let keys = Codecs.normals(128 * 512, seed: 14).enumerated().map { index, number in
                number * (offsets[index % 512] > 0 ? 2 : 1) + offsets[index % 512]
            }
            let placed = try Codecs.roundTrip(keys, keys, by: Q4Codec(), shape)
            #expect(Codecs.relativeError(placed.keys, keys) < 0.03)
        }

        @Test func `of no more than four tokens is fp16`() throws {
            let shape = Codecs.Shape(3, 7, 6)
            for tokens in 1...4 {
                let numbers = Codecs.normals(tokens * 21)
                let placed = try Codecs.roundTrip(numbers, numbers, by: Q4Codec(), shape)
                #expect(placed.keys == numbers.map { Float(Float16($0)) })
                #expect(placed.values == placed.keys)
            }
        }

        @Test func `k8v4 has q8's keys and q4's values`() throws {
            let shape = Codecs.Shape(2, 32, 32)
            let numbers = Codecs.normals(30 * 64, seed: 15)
            let mixed = try Codecs.roundTrip(numbers, numbers, by: K8V4Codec(), shape)
            #expect(try mixed.keys == Codecs.roundTrip(numbers, numbers, by: Q8Codec(), shape).keys)
            // q4 keeps its first four tokens whole and leaves them out of its means.
            let padded = Array(numbers.prefix(4 * 64)) + numbers
            let four = try Codecs.roundTrip(padded, padded, by: Q4Codec(), shape)
            #expect(Array(four.values.dropFirst(4 * 64)) == mixed.values)
        }
    }
}
