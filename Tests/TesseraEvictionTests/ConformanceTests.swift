// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraEviction
import TesseraPolicyTesting
import TesseraTestSupport
import Testing

@Suite struct ConformanceTests {
    @Test(arguments: PolicyKind.all) func `every policy conforms`(_ policy: PolicyKind) throws {
        try PolicyConformance(sequences: 16, steps: 300).check(policy)
    }

    private func failure(of kind: PolicyKind) -> PolicyFailure? {
        do throws(PolicyFailure) {
            try PolicyConformance(sequences: 8, steps: 200).check(kind)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        (Flaw.givesUpPinned, PolicyFailure.Rule.sparesPinned, 5), (.forgetsRemovals, .knowsWhatIsHeld, 5),
        (.givesUpTooSoon, .findsVictims, 5), (.demotesForNothing, .knowsWhatIsHeld, 4),
        (.isNeverTheSame, .isDeterministic, 40), (.admitsNobodyNew, .starvesNobody, 4),
    ])
    func `every rule is found broken and the trace is short`(_ flaw: Flaw, _ rule: PolicyFailure.Rule, _ steps: Int)
        throws
    {
        let found = try #require(failure(of: PolicyKind("flawed", "breaks a rule") { Flawed($0, flaw) }))
        #expect(found.rule == rule)
        #expect(found.steps.count <= steps, "\(found)")
        #expect(found.description.contains("flawed") && found.description.contains(rule.rawValue))
    }

    @Test func `the same failure is found again`() throws {
        let kind = PolicyKind("flawed", "breaks a rule") { Flawed($0, .givesUpPinned) }
        let first = try #require(failure(of: kind))
        #expect(failure(of: kind) == first)
    }

    @Test func `the example in the README is the one that is tested here`() throws {
        let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
            path: "OwnPolicyExample.swift")
        let code = try String(contentsOf: example, encoding: .utf8).split(separator: "\n\n", maxSplits: 1)[1]
        let readme = fixtures.deletingLastPathComponent().appending(path: "README.md")
        #expect(try String(contentsOf: readme, encoding: .utf8).contains("```swift\n\(code)```"))
        #expect(code.split(separator: "\n", omittingEmptySubsequences: false).count - 1 <= 25)
    }
}

enum Flaw: Sendable {
    case givesUpPinned, forgetsRemovals, givesUpTooSoon, demotesForNothing, isNeverTheSame, admitsNobodyNew
}

/// FIFO with a flaw.
private struct Flawed: EvictionPolicy {
    private var queue: [ObjectKey] = []
    private let flaw: Flaw
    /// How many were made before it.
    private let number: Int
    private static let made = Atomic(0)

    init(_ settings: PolicySettings) { self.init(settings, .givesUpPinned) }

    init(_ settings: PolicySettings, _ flaw: Flaw) {
        self.flaw = flaw
        number = flaw == .isNeverTheSame ? Self.made.add(1, ordering: .relaxed).oldValue : 0
    }

    mutating func miss(_ object: CachedObject, at time: Double) -> Bool {
        flaw != .admitsNobodyNew || object.key.rawValue < 1000
    }

    mutating func insert(_ object: CachedObject, at time: Double) { queue.append(object.key) }

    mutating func remove(_ key: ObjectKey) {
        if flaw != .forgetsRemovals { queue.removeAll { $0 == key } }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        switch flaw {
        case .givesUpPinned: return queue.isEmpty ? nil : .evict(queue.removeFirst())
        case .givesUpTooSoon where queue.count < 2: return nil
        case .demotesForNothing where !queue.isEmpty: return .demote(queue[0], bytes: 1_000_000)
        case .isNeverTheSame where number % 2 == 1:
            return queue.lastIndex { !isSpared($0) }.map { .evict(queue.remove(at: $0)) }
        default: break
        }
        guard let place = queue.firstIndex(where: { !isSpared($0) }) else { return nil }
        return .evict(queue.remove(at: place))
    }
}
