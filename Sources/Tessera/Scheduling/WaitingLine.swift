// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Who waits to be computed, and who comes next.
///
/// KVShare (arXiv 2503.16525v2), §4, scheduler: requests of which more is cached go first. It describes no guard against
/// starvation; here waiting counts too: priority = share stored + seconds waited ÷ patience. Deviation: prompts are
/// computed one by one, since one fills all cores, so there are no batches of like ones to form.
struct WaitingLine: Sendable {
    /// What somebody waits with.
    enum Errand: Sendable, Equatable {
        /// A request: the share of its prompt that is stored, and the bytes of its keys and values.
        case request(stored: Double, bytes: Int)
        /// Work that nobody waits for: encoding chunks. It comes behind all requests, until it has waited.
        case background
    }

    /// One who waits.
    struct Waiter: Sendable, Equatable {
        var id: Int
        var errand: Errand
        /// When it came, in seconds of any clock.
        var since: Double
    }

    private let options: SchedulingOptions
    private var waiters: [Waiter] = []
    /// Whether a prompt or a chunk is being computed.
    private var isComputing = false
    /// Requests that were let in and are not over, and the bytes of their keys and values.
    private(set) var running = 0
    private(set) var bytes = 0

    init(_ options: SchedulingOptions) {
        self.options = options
    }

    /// Requests that wait to be let in.
    var waiting: Int { waiters.count { $0.errand != .background } }

    /// Lines somebody up.
    ///
    /// - Throws: ``TesseraError`` of code `busy` for a request where as many wait as may.
    mutating func join(_ waiter: Waiter) throws(TesseraError) {
        if let most = options.waitingRequests, waiter.errand != .background, waiting >= most,
            isComputing || !hasRoom(for: waiter)
        {
            throw TesseraError(.busy, "\(waiting) requests are waiting, as many as may; try again later")
        }
        waiters.append(waiter)
    }

    /// Takes somebody out who does not want to wait any more; whether he was still there.
    mutating func leave(_ id: Int) -> Bool {
        guard let place = waiters.firstIndex(where: { $0.id == id }) else { return false }
        waiters.remove(at: place)
        return true
    }

    /// Lets the next one in, who computes from now on; nil where nobody can be.
    ///
    /// One who has waited long for room is not overtaken by smaller ones.
    mutating func next(now: Double) -> Waiter? {
        guard !isComputing else { return nil }
        let order = waiters.sorted { (priority($1, now), $0.id) < (priority($0, now), $1.id) }
        var isRoomKept = false
        for waiter in order {
            if waiter.errand != .background {
                guard !isRoomKept else { continue }
                guard hasRoom(for: waiter) else {
                    isRoomKept = now - waiter.since > 4 * options.patience
                    continue
                }
            }
            enter(waiter)
            return waiter
        }
        return nil
    }

    /// One who was let in has computed what he had to.
    mutating func finishComputing() {
        isComputing = false
    }

    /// A request that was let in is over.
    mutating func finish(_ errand: Errand) {
        guard case .request(_, let bytes) = errand else { return }
        running -= 1
        self.bytes -= bytes
    }

    private mutating func enter(_ waiter: Waiter) {
        waiters.removeAll { $0.id == waiter.id }
        isComputing = true
        guard case .request(_, let bytes) = waiter.errand else { return }
        running += 1
        self.bytes += bytes
    }

    private func hasRoom(for waiter: Waiter) -> Bool {
        guard case .request(_, let bytes) = waiter.errand, running > 0 else { return true }
        return running < options.answersAtOnce && self.bytes + bytes <= options.requestMemory ?? .max
    }

    private func priority(_ waiter: Waiter, _ now: Double) -> Double {
        let waited = (now - waiter.since) / max(options.patience, 1e-3)
        return switch waiter.errand {
        case .request(let stored, _): stored + waited
        case .background: waited - 1
        }
    }
}
