// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tessera
import TesseraReuse

/// How a prompt's KV comes about, as options.
struct AssemblyOptions: ParsableArguments {
    enum AssemblyName: String, ExpressibleByArgument, CaseIterable { case exact, stitched }
    enum SelectorName: String, ExpressibleByArgument, CaseIterable { case none, firstK, deviation, random, all }

    @Option(help: "exact computes everything that is no true prefix; stitched reuses chunks anywhere.")
    var assembly: AssemblyName = .stitched

    @Option(help: "What picks the tokens of reused chunks that are computed anew.")
    var selector: SelectorName = .deviation

    @Option(help: "The share of reused tokens that deviation and random pick, 0 to 1.")
    var ratio: Double = 0.15

    @Option(help: "The layer in which deviation is measured, 1 or more; a higher one costs more and may see more.")
    var checkLayer: Int = Selector.firstCheckLayer

    @Option(name: .customLong("k"), help: "How many tokens of each chunk firstK picks.")
    var count: Int = 2

    @Option(help: "The seed of random selection and of sampling.")
    var seed: UInt64 = 0

    func validate() throws {
        guard (0...1).contains(ratio) else { throw ValidationError("--ratio is between 0 and 1") }
        guard checkLayer >= 1 else { throw ValidationError("--check-layer is 1 or more") }
        guard count >= 0 else { throw ValidationError("--k is 0 or more") }
    }

    /// The assembly that was chosen.
    var value: Assembly {
        guard assembly == .stitched else { return .exact }
        return switch selector {
        case .none: .stitched(.none, ratio: 0)
        case .firstK: .stitched(.firstK(count: count), ratio: 0)
        case .deviation: .stitched(.deviation(layer: checkLayer), ratio: ratio)
        case .random: .stitched(.random(seed: seed), ratio: ratio)
        case .all: .stitched(.all, ratio: 1)
        }
    }
}
