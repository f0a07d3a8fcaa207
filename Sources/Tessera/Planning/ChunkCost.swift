// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// What computing a chunk takes, in tokens of a chunk of 512: a long chunk takes more for each of its tokens, as each sees
/// more keys.
///
/// The unit is the same whether this machine's rates are known or not, so that costs of different days compare.
struct ChunkCost: Sendable {
    private static let usual = 512

    private let rates: MachineRates
    private let layers: Int

    /// Goes by what was learned of a machine.
    init(_ rates: MachineRates, _ model: ModelDescription) {
        (self.rates, layers) = (rates, model.layout.layers)
    }

    /// The cost of a chunk of so many tokens.
    func callAsFunction(_ tokens: Int) -> Double {
        guard rates.canEstimate, let usual = seconds(Self.usual), let all = seconds(tokens), usual > 0 else {
            return Double(tokens)
        }
        return Double(Self.usual) * all / usual
    }

    private func seconds(_ tokens: Int) -> Double? {
        rates.seconds(for: PrefillWork(rows: Array(repeating: tokens, count: layers), keys: tokens))
    }
}
