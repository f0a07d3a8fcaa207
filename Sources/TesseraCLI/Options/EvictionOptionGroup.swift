// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tessera
import TesseraEviction
import TesseraKV

/// Who stays in a store that is full.
struct EvictionOptionGroup: ParsableArguments {
    @Option(
        help:
            "Who leaves a full store, and what requests may keep: \(PolicyKind.all.map(\.name).joined(separator: ", ")).",
        transform: PolicyKind.named)
    var policy = PolicyKind.value

    @Option(help: "Seconds, or 12h or 30d, after which a record that isn't pinned is no longer there.")
    var ttl: Age?

    @Option(help: "The most that a namespace may take, such as docs=2GB. May be repeated.")
    var quota: [Quota] = []

    @Option(help: "Requests for a chunk after which what they computed is kept.")
    var admitAfter = 1

    @Option(
        help: """
            Let the policy value write chunks anew when room is needed and that loses less: in a smaller codec (q4), \
            without the tokens that a press leaves out (lagkv:60%), or both (q4+lagkv:60%).
            """,
        transform: { try ColdTier($0) })
    var demoteTo: ColdTier?

    @Option(
        help: "Write down which chunks are asked for, by their keys and without any text, for `tessera simulate`.",
        completion: .file())
    var recordTrace: String?

    /// Its options, and whether each differs from what it is when it is left out.
    var given: [(name: String, isGiven: Bool)] {
        [
            ("--policy", policy.name != PolicyKind.value.name), ("--ttl", ttl != nil), ("--quota", !quota.isEmpty),
            ("--admit-after", admitAfter != 1), ("--demote-to", demoteTo != nil),
            ("--record-trace", recordTrace != nil),
        ]
    }

    func validate() throws {
        guard admitAfter >= 1 else { throw ValidationError("--admit-after is at least 1") }
        guard ttl?.seconds ?? 1 > 0 else { throw ValidationError("--ttl is more than 0") }
    }
}
