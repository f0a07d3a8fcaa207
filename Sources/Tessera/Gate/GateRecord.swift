// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// What a model's quality gate found: which ways to reuse KV keep its answers, and at which ratio.
///
/// A record belongs to one fingerprint and one suite of questions; anything else is refused.
public struct GateRecord: Sendable, Codable, Equatable {
    /// A way to reuse KV, and what came of it.
    public struct Method: Sendable, Codable, Equatable {
        /// The way, at the smallest ratio that kept the bar; at the largest tried, where none did.
        public var assembly: Assembly
        /// The kinds of question that it keeps the bar for.
        public var kinds: [String]
        /// Right answers per kind, as a share.
        public var right: [String: Double]
        /// The loss against `exact` per kind, in points.
        public var loss: [String: Double]
        /// Token-layers computed ÷ all token-layers of reused tokens.
        public var effectiveRecompute: Double
        /// KL(exact ‖ this) of the next token, mean.
        public var klMean: Double

        /// Makes an entry of all its parts.
        public init(
            assembly: Assembly, kinds: [String], right: [String: Double], loss: [String: Double],
            effectiveRecompute: Double, klMean: Double
        ) {
            self.assembly = assembly
            self.kinds = kinds
            self.right = right
            self.loss = loss
            self.effectiveRecompute = effectiveRecompute
            self.klMean = klMean
        }
    }

    /// The version of this form.
    public static let version = 1

    /// The version that it was written in.
    public var version = GateRecord.version
    /// The digest of the fingerprint, in hexadecimal digits.
    public var fingerprint: String
    /// The model's name, for people.
    public var model: String
    /// The digest of the suite, in hexadecimal digits.
    public var suite: String
    /// The kinds that were signed for.
    public var kinds: [String]
    /// Questions asked of each kind.
    public var questions: [String: Int]
    /// Right answers of `exact` per kind, as a share.
    public var exact: [String: Double]
    /// How many points below `exact` still pass.
    public var bar: Double
    /// In how many contexts chunks had been seen for `storedScore`; in fewer, their scores tell less than was passed.
    public var scorePasses: Int
    /// Everything that was tried, in the order of its effective recompute.
    public var methods: [Method]
    /// When it was signed, in seconds since 1970.
    public var signed: Double

    /// Makes a record of all its parts.
    public init(
        fingerprint: String, model: String, suite: String, kinds: [String], questions: [String: Int],
        exact: [String: Double], bar: Double, scorePasses: Int, methods: [Method], signed: Double
    ) {
        self.fingerprint = fingerprint
        self.model = model
        self.suite = suite
        self.kinds = kinds
        self.questions = questions
        self.exact = exact
        self.bar = bar
        self.scorePasses = scorePasses
        self.methods = methods
        self.signed = signed
    }

    /// Checks that a gate can have come to this.
    ///
    /// - Parameter layers: The layers of the model.
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming what can't be.
    func validate(layers: Int) throws(TesseraError) {
        func refuse(_ what: String) -> TesseraError {
            TesseraError(.invalidInput, "the gate's record \(what); run `tessera gate` again")
        }
        guard !kinds.isEmpty, Set(kinds).isSubset(of: questions.keys) else {
            throw refuse("signs for no kind of question")
        }
        guard bar >= 0, scorePasses >= 0, kinds.allSatisfy({ questions[$0] ?? 0 > 0 }) else {
            throw refuse("is of no questions")
        }
        for method in methods {
            do { try method.assembly.validate(layers: layers) } catch {
                throw refuse("passes \(method.assembly.label), which can't be: \(error.message)")
            }
            guard Set(method.kinds).isSubset(of: kinds),
                method.kinds.allSatisfy({ (method.loss[$0] ?? .infinity) <= bar })
            else { throw refuse("passes \(method.assembly.label) above its bar") }
        }
    }

    /// The way that recomputes least among those that keep the bar for a kind, or for all signed kinds.
    ///
    /// - Parameter kind: The kind of a question; nil where it is not known.
    /// - Returns: nil where nothing passed, or where the kind is not known and the record was signed for some kinds of
    ///   its suite only.
    public func best(for kind: String?) -> Method? {
        let wanted = kind.map { [$0] } ?? (isNarrow ? [] : kinds)
        guard !wanted.isEmpty else { return nil }
        return methods.filter { Set(wanted).isSubset(of: $0.kinds) }.min {
            $0.effectiveRecompute < $1.effectiveRecompute
        }
    }

    /// Whether a request must name its kind.
    public var isNarrow: Bool { Set(questions.keys) != Set(kinds) }

    /// Whether an assembly keeps the bar: one of its form passed at its ratio or a smaller one.
    public func passes(_ assembly: Assembly, kind: String?) -> Bool {
        let wanted = kind.map { [$0] } ?? (isNarrow ? [] : kinds)
        guard !wanted.isEmpty else { return false }
        return methods.contains { Set(wanted).isSubset(of: $0.kinds) && $0.assembly.covers(assembly) }
    }
}

extension Assembly {
    /// Whether a gate that passed this one passes another: of the same form and over the same variants, at a ratio not
    /// below this one's.
    func covers(_ other: Assembly) -> Bool {
        switch (self, other) {
        case (.exact, .exact): true
        case (.parallel, .parallel): self == other
        case (.stitched, .stitched(.all, _, _)): true
        case (.stitched(let mine, let least, let use), .stitched(let theirs, let ratio, let other)):
            use == other && mine.covers(theirs, atRatio: ratio, from: least)
        default: false
        }
    }
}

extension Selector {
    fileprivate func covers(_ other: Selector, atRatio ratio: Double, from least: Double) -> Bool {
        switch (self, other) {
        case (.firstK(let mine), .firstK(let theirs)): theirs >= mine
        default: self == other && (!takesRatio || ratio >= least)
        }
    }
}
