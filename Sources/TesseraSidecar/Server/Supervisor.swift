// SPDX-License-Identifier: Apache-2.0

internal import CSystemd
internal import Logging
internal import ServiceLifecycle

/// Tells systemd, where it is there, that the server is ready, alive, and about to end (`sd_notify(3)`).
struct Supervisor: Service {
    let state: SidecarState
    /// Where it listens, for people.
    let places: [String]
    let log: Logger

    func run() async throws {
        sd_notify(0, "READY=1\nSTATUS=Listening on \(places.joined(separator: " and "))")
        log.notice("tessera answers on \(places.joined(separator: " and "))")
        let interval = Self.watchdogInterval
        await withGracefulShutdownHandler {
            try? await cancelWhenGracefulShutdown {
                while true {
                    try await Task.sleep(for: interval ?? .seconds(3600))
                    if interval != nil { sd_notify(0, "WATCHDOG=1") }
                }
            }
        } onGracefulShutdown: {
            state.drain()
            state.jobs.close()
            state.slowRequests.hurry()
            sd_notify(0, "STOPPING=1\nSTATUS=Draining")
            log.notice("tessera ends: requests under way are answered first")
        }
    }

    /// Half of the time after which systemd takes the process for dead; nil where it doesn't watch.
    private static var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
        return .microseconds(Int64(microseconds / 2))
    }
}
