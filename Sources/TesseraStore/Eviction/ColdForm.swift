// SPDX-License-Identifier: Apache-2.0

internal import TesseraEviction
package import TesseraKV

/// How chunks that have cooled are written: in a smaller codec, without some of their tokens, or both.
package struct ColdForm: Sendable {
    /// The codec; nil for the one that a chunk is in.
    package var codec: StoreCodec?
    /// Says which tokens stay; nil for all of them.
    package var thinning: (any TokenThinning)?

    /// Describes a form.
    package init(_ codec: StoreCodec?, thinning: (any TokenThinning)? = nil) {
        (self.codec, self.thinning) = (codec, thinning)
    }

    /// The form as messages name it.
    package var label: String {
        [codec?.rawValue, thinning?.name].compactMap { $0 }.joined(separator: "+")
    }

    /// What the eviction policy is told of it: the share of a chunk's bytes that is left, and that of a use's saving which
    /// is held to be lost.
    ///
    /// - Parameter stored: The codec that chunks come in.
    func terms(of stored: StoreCodec) -> Demotion {
        let codec = codec ?? stored
        let share = thinning?.share ?? 1
        let size = share * Double(Self.nominalByteCount(codec)) / Double(Self.nominalByteCount(stored))
        // Presses keep the better part: of 60 % that stay little is held to be lost, of 1 % nearly all.
        let lost = (1 - share) * (1 - share)
        return Demotion(size: size, loss: 1 - (1 - codec.heldLoss) * (1 - lost))
    }

    /// The bytes of a layer of a usual chunk: what headers and scales come to beside the numbers depends on it a little.
    private static func nominalByteCount(_ codec: StoreCodec) -> Int {
        codec.codec.byteCount(
            tokens: nominalTokens, layout: KVLayout(layers: 1, heads: 8, headDimension: 64))
    }

    /// The tokens of a usual chunk.
    package static let nominalTokens = 512

    /// Refuses a form that makes nothing smaller of what comes in `stored`.
    func validate(of stored: StoreCodec) throws(TesseraError) {
        guard stored.isFaithful else {
            let faithful = StoreCodec.allCases.filter(\.isFaithful).map(\.rawValue).joined(separator: ", ")
            throw TesseraError(
                .invalidInput,
                "chunks in \(stored.rawValue) can't be demoted: they would be made of what a codec with losses made; "
                    + "store them as one of \(faithful)")
        }
        guard codec?.roundsOnce(stored) ?? true else { throw Self.roundedTwice(stored, to: label) }
        guard terms(of: stored).size < 1 else {
            throw TesseraError(
                .invalidInput,
                "chunks can't be demoted to \(label.isEmpty ? "nothing" : label): it is not smaller than "
                    + "\(stored.rawValue), which they are stored in")
        }
    }

    /// Whether a record would be written otherwise: from what was computed, and not for nothing.
    func canShrink(codec name: String, tokens: Int, isWhole: Bool) -> Bool {
        guard isWhole, let known = StoreCodec(rawValue: name), known.isFaithful else { return false }
        guard codec?.roundsOnce(known) ?? true else { return false }
        return (codec ?? known) != known || thinning?.count(of: tokens) != nil
    }

    private static func roundedTwice(_ stored: StoreCodec, to label: String) -> TesseraError {
        TesseraError(
            .invalidInput,
            "chunks can't be demoted to \(label): what is in \(stored.rawValue) would be rounded to another 16 bits")
    }
}

/// Chooses which tokens of a chunk stay where it is written smaller.
///
/// The store knows no press; whoever opens it may give it one.
package protocol TokenThinning: Sendable {
    /// What chooses, and how much stays, as messages name it.
    var name: String { get }

    /// The share of a usual chunk's tokens that stays.
    var share: Double { get }

    /// How many tokens of a chunk stay, as far as that can be said without its numbers; nil for one that stays whole.
    func count(of tokens: Int) -> Int?

    /// The tokens that stay, ascending and the same in every layer, because tokens are computed anew as whole rows; nil
    /// where all stay.
    ///
    /// - Parameters:
    ///   - tokens: The tokens of the chunk.
    ///   - layout: The shape of its keys and values.
    ///   - layer: Its keys before RoPE and its values in a layer, each (token, KV head, dimension).
    func kept(
        of tokens: Int, layout: KVLayout,
        layer: (Int) throws(TesseraError) -> (keys: [Float], values: [Float])
    ) throws(TesseraError) -> [Int]?
}

extension StoreCodec {
    /// Whether numbers in a codec without losses are the computed ones, rounded once, in this one too: of two formats of 16
    /// bits neither holds the other's.
    fileprivate func roundsOnce(_ stored: StoreCodec) -> Bool {
        switch self {
        case .fp16, .fp16Zstd: stored == .fp16 || stored == .fp16Zstd
        case .bf16, .bf16Zstd: stored == .bf16 || stored == .bf16Zstd
        case .q8, .k8v4, .q4, .zipcache: true
        }
    }

    /// The share of a use's saving that is held to be lost where a chunk is in this codec. It is a judgement, ordered as
    /// the codecs' errors are: half precision loses nothing, and of ZipCache one use in five is written off.
    fileprivate var heldLoss: Double {
        switch self {
        case .fp16, .bf16, .fp16Zstd, .bf16Zstd: 0
        case .q8: 0.05
        case .k8v4: 0.08
        case .q4: 0.10
        case .zipcache: 0.20
        }
    }
}
