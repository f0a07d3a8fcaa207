// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Closes connections whose request, head or body, takes too long to arrive. Looking after all of them now and then costs a request less
/// than a timer of its own would.
final class SlowRequests: Service {
    private struct State {
        var nextID = 0
        var waiting: [Int: (channel: any Channel, deadline: ContinuousClock.Instant)] = [:]
    }

    private let patience: Duration
    private let state = Mutex(State())

    /// - Parameter seconds: How long a head may take, and a body.
    init(seconds: Double) {
        patience = .seconds(seconds)
    }

    /// Begins to wait for a head or a body.
    ///
    /// - Returns: What to end it with.
    func begin(_ channel: any Channel) -> Int {
        let deadline = ContinuousClock.now + patience
        return state.withLock { state in
            state.nextID += 1
            state.waiting[state.nextID] = (channel, deadline)
            return state.nextID
        }
    }

    /// It is there, or will not come.
    func end(_ id: Int) {
        state.withLock { _ = $0.waiting.removeValue(forKey: id) }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                self.closeOverdue()
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func closeOverdue() {
        let now = ContinuousClock.now
        let overdue = state.withLock { $0.waiting.values.filter { $0.deadline < now } }
        for (channel, _) in overdue { channel.close(promise: nil) }
    }
}
