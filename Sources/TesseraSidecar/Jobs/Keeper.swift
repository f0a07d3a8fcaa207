// SPDX-License-Identifier: Apache-2.0

internal import ServiceLifecycle
internal import Synchronization

/// Keeps what prompts had to compute, once their answers are out: clients don't wait for it.
///
/// It is bounded: where more waits than it takes, the rest is let go, and the next prompt that wants it computes it again.
/// On graceful shutdown what waits is brought to its end.
final class Keeper: Service {
    typealias Work = @Sendable () async -> Void

    private let waiting: AsyncStream<Work>
    private let add: AsyncStream<Work>.Continuation

    private static let mostWaiting = 64

    init() {
        (waiting, add) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.mostWaiting))
    }

    /// Has work done some time.
    func keep(_ work: @escaping Work) {
        add.yield(work)
    }

    func run() async throws {
        await withGracefulShutdownHandler {
            for await work in waiting { await work() }
        } onGracefulShutdown: {
            self.add.finish()
        }
    }
}
