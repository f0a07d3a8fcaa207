// SPDX-License-Identifier: Apache-2.0

public import TesseraCompression
public import TesseraKV
package import TesseraStore

/// How chunks that have cooled are kept when a full store needs room: in a smaller codec, without the tokens that a press
/// holds to matter least, or both.
///
/// ```swift
/// ContextCacheOptions(coldTier: ColdTier(codec: .q4))
/// ContextCacheOptions(coldTier: try ColdTier("q4+lagkv:60%"))
/// ```
///
/// A chunk is made cold from what was computed, never from a copy with losses, and once. A prompt that reuses one that
/// lacks tokens has gaps in their places: what is left stands at its own positions, and the answer is held to be composed.
/// `exact` answers and stored leading runs know no cold chunks.
public struct ColdTier: Sendable, Hashable {
    /// The codec; nil for the one that a chunk is in.
    public var codec: StoreCodec?
    /// The press that says which tokens stay, by its name (``presses``); nil where all do.
    public var press: String?
    /// How many tokens stay. A chunk of no more than that, or one that its press leaves whole, loses none.
    public var keep: PressBudget

    /// Describes a tier.
    public init(codec: StoreCodec? = nil, press: String? = nil, keep: PressBudget = .share(0.6)) {
        (self.codec, self.press, self.keep) = (codec, press, keep)
    }

    /// Reads a codec, a press with how much it keeps, or both: `q4`, `lagkv:60%`, `q4+lagkv:60%`.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for anything else, and for presses that need more than a store has.
    public init(_ text: String) throws(TesseraError) {
        self.init()
        for part in text.split(separator: "+", omittingEmptySubsequences: false) {
            let halves = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if halves.count == 1, codec == nil, let known = StoreCodec(rawValue: halves[0]) {
                codec = known
            } else if halves.count == 2, press == nil {
                (press, keep) = (halves[0], try PressBudget(halves[1]))
            } else {
                throw TesseraError(
                    .invalidInput,
                    "a cold tier is a codec, a press with what it keeps, or both, such as q4, lagkv:60% and "
                        + "q4+lagkv:60%, not “\(text)”; codecs are \(StoreCodec.names.joined(separator: ", ")), presses "
                        + "\(Self.presses.joined(separator: ", "))")
            }
        }
        _ = try form()
    }

    /// The tier as ``init(_:)`` reads it.
    public var label: String {
        [codec?.rawValue, press.map { "\($0):\(keep.label.filter { $0 != " " })" }].compactMap { $0 }
            .joined(separator: "+")
    }

    /// The presses that need nothing but stored keys and values: they work without the model.
    public static var presses: [String] {
        PressCatalog.names.filter { name in
            let plan = try? PressCatalog.plan(named: name, budget: .share(1), assets: nil)
            return plan?.press.needs == PressNeeds()
        }
    }

    /// What the store is told of it.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for an unknown press, or one that needs more than a store has.
    package func form() throws(TesseraError) -> ColdForm {
        let thinning = try press.map { (name) throws(TesseraError) in try PressThinning(name, keep: keep) }
        return ColdForm(codec, thinning: thinning)
    }
}
