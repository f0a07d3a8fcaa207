// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import TesseraKV

/// Requests from several clients at once, each on a thread of its own.
struct LoadRun: Sendable {
    /// The server's socket.
    var socket: String
    /// How many ask at once.
    var clients: Int
    /// How long.
    var seconds: Double
    /// Requests a second of all clients together, evenly spaced; nil for as many as go.
    var rate: Double?

    /// What came of it.
    struct Outcome: Sendable {
        /// Seconds that each request took: from when it was due, where there was a rate.
        var latencies: [Double] = []
        /// What was made of each answer.
        var values: [Double] = []
        /// Answers of another status than 2xx.
        var failures = 0
        /// Requests a second.
        var rate = 0.0
    }

    /// Asks the same over and over.
    ///
    /// - Parameter value: Makes a number of an answer and the seconds that it took; nil for none.
    func run(
        _ request: [UInt8], value: @escaping @Sendable (_ body: [UInt8], _ seconds: Double) -> Double? = { _, _ in nil }
    ) throws(TesseraError) -> Outcome {
        let total = Mutex(Outcome())
        let failure = Mutex<TesseraError?>(nil)
        let start = ContinuousClock.now
        let group = DispatchGroup()
        for client in 0..<clients {
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                do throws(TesseraError) {
                    let own = try ask(request, client, start, value)
                    total.withLock { total in
                        total.latencies += own.latencies
                        total.values += own.values
                        total.failures += own.failures
                    }
                } catch {
                    failure.withLock { $0 = error }
                }
            }
        }
        group.wait()
        if let failure = failure.withLock({ $0 }) { throw failure }
        var outcome = total.withLock { $0 }
        outcome.latencies.sort()
        outcome.values.sort()
        outcome.rate = Double(outcome.latencies.count) / ((ContinuousClock.now - start) / .seconds(1))
        return outcome
    }

    private func ask(
        _ request: [UInt8], _ client: Int, _ start: ContinuousClock.Instant,
        _ value: (_ body: [UInt8], _ seconds: Double) -> Double?
    ) throws(TesseraError) -> Outcome {
        let connection = try RawConnection(socket)
        var outcome = Outcome()
        let end = start + .seconds(seconds)
        var number = 0
        while true {
            var due = ContinuousClock.now
            if let rate {
                due = start + .seconds((Double(number) + Double(client) / Double(clients)) * Double(clients) / rate)
                let wait = (due - .now) / .seconds(1)
                if wait > 0 { Thread.sleep(forTimeInterval: wait) }
            }
            guard due < end else { return outcome }
            let (status, body) = try connection.exchange(request)
            let seconds = (ContinuousClock.now - due) / .seconds(1)
            outcome.latencies.append(seconds)
            if !(200..<300).contains(status) { outcome.failures += 1 }
            if let number = value(body, seconds) { outcome.values.append(number) }
            number += 1
        }
    }
}

extension [Double] {
    /// The value below which a share of all lie; the list is sorted.
    func quantile(_ share: Double) -> Double {
        isEmpty ? 0 : self[Swift.min(count - 1, Int(share * Double(count)))]
    }
}
