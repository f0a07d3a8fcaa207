// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV

/// A call's turn on the engine's thread.
final class EngineTurn {
    /// Says from another thread that a call is not wanted any more.
    final class Flag: Sendable {
        private let raised = Atomic<Bool>(false)

        func raise() { raised.store(true, ordering: .relaxed) }

        var isRaised: Bool { raised.load(ordering: .relaxed) }
    }

    private let cancelled: Flag
    private let urgent: (() -> (() -> Void)?)?
    private let clock = ContinuousClock()

    /// How long this call stood aside for urgent ones.
    private(set) var givenAway = Duration.zero

    /// - Parameter urgent: Takes the next urgent job that is waiting; nil for a turn that gives way to none.
    init(cancelled: Flag, urgent: (() -> (() -> Void)?)?) {
        self.cancelled = cancelled
        self.urgent = urgent
    }

    /// Whether the calling task has been cancelled.
    var isCancelled: Bool { cancelled.isRaised }

    /// Does what is urgent and waiting, then goes on.
    func giveWay() {
        guard let urgent, var job = urgent() else { return }
        let start = clock.now
        while true {
            job()
            guard let next = urgent() else { break }
            job = next
        }
        givenAway += clock.now - start
    }
}
