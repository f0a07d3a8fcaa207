// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Says how much each token of a prompt matters in a layer, so that the others' keys and values can be left out.
///
/// A press scores and does nothing else: how many tokens stay is a ``LayerBudget``'s affair, what it means for the bytes
/// that of a buffer, a codec or a store. So presses, budgets and wrappers (``Protecting``) go with one
/// another. The division is that of kvpress; the scores come out as sets of tokens and not as tensors.
///
/// To add a press, write one file with a type of this protocol and name it in ``PressCatalog``.
public protocol Press: Sendable {
    /// The press's name in options and reports.
    var name: String { get }

    /// What it has to see of each layer.
    var needs: PressNeeds { get }

    /// How the scores of several heads or layers become one, where they have to agree on their tokens.
    var reduction: TokenScores.Reduction { get }

    /// The scores of a layer's tokens: the higher, the rather a token stays.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for options or segments that don't fit the view, and of code
    ///   `unsupported` where the press can't judge what it is shown.
    func scores(of view: LayerView) throws(TesseraError) -> TokenScores
}

extension Press {
    /// The mean.
    public var reduction: TokenScores.Reduction { .mean }
}

/// What a press has to see. Nothing is computed or copied that was not asked for.
public struct PressNeeds: Sendable, Hashable {
    /// The last so many computed tokens, whose attention is wanted; 0 for none.
    public var window: Int
    /// The attention that each token received from all computed ones.
    public var received: Bool
    /// Queries before RoPE of all computed tokens.
    public var queries: Bool
    /// The norms of the residual stream.
    public var norms: Bool
    /// What the model attends to when it repeats the prompt: it has to be computed once more for that.
    public var repetition: Bool
    /// Whether the press can tell frames from text, and has to.
    public var frames: Bool

    /// Asks for some of it.
    public init(
        window: Int = 0, received: Bool = false, queries: Bool = false, norms: Bool = false, repetition: Bool = false,
        frames: Bool = false
    ) {
        self.window = window
        self.received = received
        self.queries = queries
        self.norms = norms
        self.repetition = repetition
        self.frames = frames
    }

    /// What any of some presses asks for.
    public static func all(_ needs: some Sequence<PressNeeds>) -> PressNeeds {
        needs.reduce(PressNeeds()) { $0.union($1) }
    }

    /// What either asks for.
    public func union(_ other: PressNeeds) -> PressNeeds {
        PressNeeds(
            window: max(window, other.window), received: received || other.received, queries: queries || other.queries,
            norms: norms || other.norms, repetition: repetition || other.repetition, frames: frames || other.frames)
    }
}
