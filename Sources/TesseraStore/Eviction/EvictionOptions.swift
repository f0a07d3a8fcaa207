// SPDX-License-Identifier: Apache-2.0

package import TesseraEviction
package import TesseraKV

/// Who stays in a store that is full.
package struct EvictionOptions: Sendable {
    /// Who leaves, and what requests may keep.
    package var policy: PolicyKind
    /// Seconds after which a record that isn't pinned is no longer there; nil for ever.
    package var timeToLive: Double?
    /// The most bytes of a namespace's layers. One that is at its quota makes room among its own records.
    package var quotas: [String: Int]
    /// Requests for a chunk after which what they computed is kept.
    package var admissionUses: Int
    /// How chunks may be written when room is needed, rather than given up; nil for not at all.
    package var demotion: ColdForm?
    /// The codec that chunks come in, which a demoted one is measured against.
    package var codec: StoreCodec
    /// What computing so many tokens anew takes, in seconds or any other unit.
    package var cost: @Sendable (_ tokens: Int) -> Double

    /// The largest record that can be written beside what is there, while room is made.
    var largestDemotion = Int.max

    /// Makes options; by default Tessera's own policy, without anything beside it, and costs in proportion to the tokens.
    package init(
        policy: PolicyKind = .value, timeToLive: Double? = nil, quotas: [String: Int] = [:], admissionUses: Int = 1,
        demotion: ColdForm? = nil, codec: StoreCodec = .fp16,
        cost: @escaping @Sendable (_ tokens: Int) -> Double = { Double($0) }
    ) {
        self.policy = policy
        self.timeToLive = timeToLive
        self.quotas = quotas
        self.admissionUses = admissionUses
        self.demotion = demotion
        self.codec = codec
        self.cost = cost
    }

    func validate() throws(TesseraError) {
        guard timeToLive ?? 1 > 0, quotas.values.allSatisfy({ $0 > 0 }), admissionUses >= 1 else {
            throw TesseraError(
                .invalidInput,
                "a store's quotas and its records' time to live are more than 0, and admission takes a use")
        }
        try demotion?.validate(of: codec)
    }

    /// What the policy is told of demotion.
    var demotionTerms: Demotion? { demotion?.terms(of: codec) }

    /// Whether a record can be written smaller: a chunk that was encoded alone and is there as it was computed.
    func canDemote(
        _ provenance: Provenance?, codec name: String, tokens: Int, isWhole: Bool, byteCount: Int
    ) -> Bool {
        guard let demotion, let demotionTerms, provenance == .isolated else { return false }
        return demotion.canShrink(codec: name, tokens: tokens, isWhole: isWhole)
            && demotionTerms.bytes(of: byteCount) <= largestDemotion
    }

    /// Whether a record is past its time.
    func isExpired(created: Int64, now: Int64) -> Bool {
        timeToLive.map { Double(now - created) / 1e6 >= $0 } ?? false
    }
}
