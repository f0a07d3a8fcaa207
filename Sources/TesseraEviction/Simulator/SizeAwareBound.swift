// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// An upper bound on what any policy can save when objects differ in size.
///
/// A request can be a hit only if the object lay in the cache since the request before, which takes its bytes for as many
/// requests as lie between. All hits together can't take more than capacity × requests; so the bound is what the cheapest
/// hits are worth that fit into that (the flow relaxation of Berger, Beckmann and Harchol-Balter, POMACS 2018, §4: PFOO-L).
/// It holds the capacity only on average over the trace, so no policy need reach it.
///
/// Deviation: hits are counted in classes of about equal worth for what they take, 64 for each doubling, rather than
/// sorted, so that memory does not grow with the trace; the last class counts at its best, which keeps it a bound.
struct SizeAwareBound {
    private struct Class {
        var worth = 0.0
        var taken = 0.0
    }

    private static let classesPerDoubling = 64.0
    private var classes: [Int: Class] = [:]
    private(set) var total = 0.0

    /// Counts a request.
    ///
    /// - Parameters:
    ///   - worth: What a hit would save.
    ///   - bytes: The object's size.
    ///   - wait: The requests since the object was last asked for; nil for the first.
    mutating func add(worth: Double, bytes: Int, wait: Int?) {
        total += worth
        guard let wait, worth > 0 else { return }
        let taken = Double(bytes) * Double(wait)
        // What is worth less than any number tells is worth next to nothing.
        let ratio = max(worth / taken, .leastNormalMagnitude)
        let number = Int((log2(ratio) * Self.classesPerDoubling).rounded(.down))
        classes[number, default: Class()].worth += worth
        classes[number, default: Class()].taken += taken
    }

    /// The most that can be saved, as a share of all.
    ///
    /// - Parameters:
    ///   - capacity: In bytes.
    ///   - requests: The length of the trace.
    func share(capacity: Int, requests: Int) -> Double {
        var (left, saved) = (Double(capacity) * Double(requests), 0.0)
        for (number, hits) in classes.sorted(by: { $0.key > $1.key }) {
            guard hits.taken > left else {
                saved += hits.worth
                left -= hits.taken
                continue
            }
            saved += min(hits.worth, left * exp2(Double(number + 1) / Self.classesPerDoubling))
            break
        }
        return total > 0 ? saved / total : 0
    }
}
