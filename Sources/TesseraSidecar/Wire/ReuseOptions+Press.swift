// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Tessera
internal import TesseraAPI
internal import TesseraCompression
internal import TesseraKV

extension ReuseOptions {
    /// The press that was asked for; nil for none.
    ///
    /// - Throws: ``APIFailure`` of status 400 for a press or a budget that is none, and for one without the other.
    func chosenPress(on cache: ContextCache) async throws -> PressPlan? {
        guard let press else {
            guard budget == nil else { throw Self.pressRefusal("budget", "budget wants a press") }
            guard merge != true else { throw Self.pressRefusal("merge", "merge wants a press") }
            return nil
        }
        guard PressCatalog.names.contains(press) else {
            throw Self.pressRefusal(
                "press", "a press is one of \(PressCatalog.names.joined(separator: ", ")), not \(press)")
        }
        guard let budget else { throw Self.pressRefusal("budget", "a press wants a budget: 256 or 20%") }
        let stays: PressBudget
        do throws(TesseraError) {
            stays = try PressBudget(budget)
        } catch {
            throw Self.pressRefusal("budget", error.message)
        }
        var plan = try await cache.press(named: press, budget: stays)
        plan.merges = merge ?? false
        return plan
    }

    /// Refuses a press where there is no answer to write.
    func refusePress() throws(APIFailure) {
        let given = [("press", press != nil), ("budget", budget != nil), ("merge", merge == true)]
        if let field = given.first(where: \.1)?.0 {
            throw Self.pressRefusal(field, "a press shrinks the KV of an answer; plans and leases have none")
        }
    }

    private static func pressRefusal(_ field: String, _ message: String) -> APIFailure {
        APIFailure(.badRequest, message, code: "invalidInput", param: "tessera.\(field)")
    }
}
