// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tessera
import TesseraCompression

/// How the prompt's keys and values are shrunk before the answer is written.
struct PressOptions: ParsableArguments {
    @Option(
        help: """
            Keep only some of the prompt's keys and values while the answer is written: \
            \(PressCatalog.names.joined(separator: ", ")).
            """)
    var press: String?

    @Option(help: "How much of them stays in each layer, on average: tokens (256), or a share of the prompt (20%).")
    var budget: String?

    @Flag(help: "Average the values of tokens that go into their nearest neighbours that stay (Elastic Cache).")
    var merge = false

    func validate() throws {
        guard (press == nil) == (budget == nil) else {
            throw ValidationError("--press and --budget go together: --press snapkv --budget 20%")
        }
        guard press != nil || !merge else { throw ValidationError("--merge wants --press") }
        if let press, !PressCatalog.names.contains(press) {
            throw ValidationError(
                "there is no press “\(press)”; choose one of \(PressCatalog.names.joined(separator: ", "))")
        }
        guard let budget else { return }
        do throws(TesseraError) {
            _ = try PressBudget(budget)
        } catch {
            throw ValidationError(error.message)
        }
    }

    /// The press that was asked for; nil for none.
    func value(on cache: ContextCache) async throws -> PressPlan? {
        guard let press, let budget else { return nil }
        var plan = try await cache.press(named: press, budget: PressBudget(budget))
        plan.merges = merge
        return plan
    }
}
