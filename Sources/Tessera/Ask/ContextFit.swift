// SPDX-License-Identifier: Apache-2.0

/// How many of some contexts, taken in order, fit a budget of tokens; one that doesn't fit ends the list, because what
/// comes behind it is worth less.
package func contextsThatFit(_ tokens: [Int], budget: Int) -> Int {
    var left = budget
    return tokens.prefix { count in
        left -= count
        return left >= 0
    }.count
}
