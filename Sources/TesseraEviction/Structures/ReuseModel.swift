// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// How often objects will be asked for again, learned from the requests so far.
///
/// Eight experts each predict what is asked for next in proportion to how often an object was asked for, the past counting
/// half after 16, 64, 256 … 262,144 requests: the first sees bursts, the last lasting popularity. An object's rate is the
/// weighted sum of theirs. The weights are learned apart for objects that were asked for once, twice, three times, and so
/// on, as what is new and what is well known follow different laws (a scan's objects never come back). They are the
/// weights under which the requests seen are likeliest, if objects are asked for at the predicted rates as in a Poisson
/// process: expectation-maximisation, on-line, with what was seen fading (Cappé and Moulines, JRSS B 71(3), 2009).
///
/// With one expert and weight 1 this is LFU with a half-life (LRFU; Lee et al., IEEE ToC 50(12), 2001).
struct ReuseModel: Sendable {
    /// One number for each expert.
    typealias Experts = SIMD8<Double>

    /// What is kept of an object's requests.
    struct History: Sendable {
        /// Requests, the past fading by each expert's half-life, at the time of the last one.
        fileprivate var counts = SIMD8<Float>.zero
        fileprivate var last = 0.0
        fileprivate var requests: Int32 = 0
    }

    fileprivate static let longest = 262_144.0
    /// Each has a quarter of the next one's half-life.
    private static let halfLives = Experts(16, 64, 256, 1024, 4096, 16384, 65536, longest)
    private static let fades = fade(1)
    /// What an expert's prediction lasts, in requests: the integral of its fading.
    private static let spans = halfLives / Experts(repeating: log(2))
    /// Classes of objects: 1, 2, 3, 4 … 7, 8 … 15, 16 … 63, and more requests.
    private static let classes = 7
    /// What an event that is a request older counts still, for the weights.
    private static let memory = 1 - 1e-4
    /// Requests between changes of the weights.
    private static let period = 256

    private var now = 0.0
    /// The sum of all objects' counts.
    private var total = Experts.zero
    private var learned = Array(repeating: Class(), count: classes)

    /// What is learned of a class of objects.
    private struct Class: Sendable {
        /// The sum of its objects' counts.
        var mass = Experts.zero
        /// How many requests its objects should have had by each expert, and how many each can claim.
        var expected = Experts.zero
        var claimed = Experts.zero
        var weights = Experts(repeating: 1 / 8)
    }

    fileprivate static func number(of history: History) -> Int {
        let requests = Int(history.requests)
        return requests < 4
            ? max(0, requests - 1) : min(classes - 1, requests < 16 ? (requests < 8 ? 3 : 4) : (requests < 64 ? 5 : 6))
    }

    /// An object is asked for.
    mutating func request(_ history: inout History) {
        advance()
        let counts = faded(history)
        if history.requests > 0 {
            let number = Self.number(of: history)
            let parts = learned[number].weights * rates(counts)
            let sum = parts.sum()
            if sum > 0 { learned[number].claimed += parts / sum }
            learned[number].mass = (learned[number].mass - counts).clamped(lowerBound: .zero, upperBound: .infinite)
        }
        history.requests = min(history.requests + 1, .max - 1)
        history.last = now
        history.counts = SIMD8<Float>(counts + 1)
        learned[Self.number(of: history)].mass += counts + 1
        total += 1
    }

    /// An object's history will not be told any more.
    mutating func forget(_ history: History) {
        let counts = faded(history)
        let number = Self.number(of: history)
        learned[number].mass = (learned[number].mass - counts).clamped(lowerBound: .zero, upperBound: .infinite)
        total = (total - counts).clamped(lowerBound: .zero, upperBound: .infinite)
    }

    /// How often objects will be asked for within the next `horizon` requests.
    func outlook(_ horizon: Double) -> Outlook {
        let lasting = (1 - Self.fade(horizon)) * Self.spans / total.clamped(lowerBound: .one, upperBound: .infinite)
        return Outlook(now: now, factors: learned.map { $0.weights * lasting })
    }

    /// What the model predicts at one moment, for a look at many objects.
    struct Outlook {
        fileprivate let now: Double
        /// For each class, what a request that counts in full lets an expert expect.
        fileprivate let factors: [Experts]

        /// How often an object will be asked for within the horizon.
        func reuses(_ history: History) -> Double {
            let factors = factors[ReuseModel.number(of: history)]
            var (left, sum) = (exp2((history.last - now) / ReuseModel.longest), 0.0)
            for expert in stride(from: factors.scalarCount - 1, through: 0, by: -1) where left > 1e-12 {
                sum += Double(history.counts[expert]) * factors[expert] * left
                left *= left
                left *= left
            }
            return sum
        }
    }

    private mutating func advance() {
        now += 1
        total *= Self.fades
        let shares = 1 / total.clamped(lowerBound: Experts(repeating: .leastNormalMagnitude), upperBound: .infinite)
        for number in learned.indices {
            learned[number].mass *= Self.fades
            learned[number].expected = learned[number].expected * Self.memory + learned[number].mass * shares
            learned[number].claimed *= Self.memory
        }
        guard Int(now) % Self.period == 0 else { return }
        // As if each expert had been right by 0.2 of a request: what has not been seen yet counts for something.
        for number in learned.indices {
            learned[number].weights = (learned[number].claimed + 0.2) / (learned[number].expected + 1)
        }
    }

    /// What is left of a count after some requests.
    private static func fade(_ requests: Double) -> Experts {
        // A quarter of the half-life is the fourth power of what is left: one exponential does for all.
        var (left, fade) = (exp2(-requests / longest), Experts.zero)
        for expert in stride(from: fade.scalarCount - 1, through: 0, by: -1) {
            fade[expert] = left
            left *= left
            left *= left
        }
        return fade
    }

    private func faded(_ history: History) -> Experts {
        Experts(history.counts) * Self.fade(now - history.last)
    }

    /// The probability, by each expert, that an object of such counts is asked for next.
    private func rates(_ counts: Experts) -> Experts {
        counts / total.clamped(lowerBound: .one, upperBound: .infinite)
    }
}

extension SIMD8<Double> {
    fileprivate static let infinite = SIMD8(repeating: .infinity)
}
