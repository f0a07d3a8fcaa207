// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Closes connections whose request, head or body, takes too long to arrive. Looking after all of them now and then costs a request less
/// than a timer of its own would.
final class SlowRequests: Service {
    private struct State {
        var nextID = 0
        var patience: Duration
        var waiting: [Int: (channel: any Channel, deadline: ContinuousClock.Instant)] = [:]
    }

    private let state: Mutex<State>

    /// - Parameter seconds: How long a head may take, and a body.
    init(seconds: Double) {
        state = Mutex(State(patience: .seconds(seconds)))
    }

    /// Begins to wait for a head or a body.
    ///
    /// - Returns: What to end it with.
    func begin(_ channel: any Channel) -> Int {
        let now = ContinuousClock.now
        return state.withLock { state in
            state.nextID += 1
            state.waiting[state.nextID] = (channel, now + state.patience)
            return state.nextID
        }
    }

    /// It is there, or will not come.
    func end(_ id: Int) {
        state.withLock { _ = $0.waiting.removeValue(forKey: id) }
    }

    /// Gives what has not arrived a second more: the server is about to end.
    func hurry() {
        let deadline = ContinuousClock.now + .seconds(1)
        state.withLock { state in
            state.patience = .seconds(1)
            for (id, (channel, _)) in state.waiting { state.waiting[id] = (channel, deadline) }
        }
    }

    /// Looks until the server has ended: the last of its services to do so.
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
