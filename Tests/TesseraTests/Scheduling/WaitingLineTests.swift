// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@testable import Tessera

extension WaitingLine {
    /// Somebody comes next, or the test fails.
    fileprivate mutating func mustLetIn(now: Double) throws -> Waiter {
        let next = next(now: now)
        return try #require(next)
    }
}

struct `the waiting line` {
    private func waiter(_ id: Int, stored: Double = 0, bytes: Int = 1, since: Double = 0) -> WaitingLine.Waiter {
        WaitingLine.Waiter(id: id, errand: .request(stored: stored, bytes: bytes), since: since)
    }

    private func background(_ id: Int, since: Double = 0) -> WaitingLine.Waiter {
        WaitingLine.Waiter(id: id, errand: .background, since: since)
    }

    /// Lets everybody in one after the other, each computing and ending before the next.
    private func order(_ line: inout WaitingLine, now: Double) -> [Int] {
        var order: [Int] = []
        while let next = line.next(now: now) {
            order.append(next.id)
            line.finishComputing()
            line.finish(next.errand)
        }
        return order
    }

    @Test func `lets those in first of whom more is stored, and background work last`() throws {
        var line = WaitingLine(.init(patience: 2))
        try line.join(background(1))
        try line.join(waiter(2, stored: 0.2))
        try line.join(waiter(3, stored: 0.9))
        try line.join(waiter(4, stored: 0.2))
        #expect(order(&line, now: 0.1) == [3, 2, 4, 1])
    }

    @Test func `lets nobody starve: waiting counts as much as being stored`() throws {
        var line = WaitingLine(.init(patience: 2))
        try line.join(waiter(1, stored: 0, since: 0))
        try line.join(background(2, since: 0))
        try line.join(waiter(3, stored: 1, since: 1.9))
        try line.join(waiter(4, stored: 1, since: 4.1))
        #expect(order(&line, now: 4.2) == [3, 1, 2, 4])
    }

    @Test func `one computes at a time`() throws {
        var line = WaitingLine(.init())
        try line.join(waiter(1))
        try line.join(waiter(2))
        #expect(line.next(now: 0)?.id == 1)
        #expect(line.next(now: 0) == nil)
        line.finishComputing()
        #expect(line.next(now: 0)?.id == 2)
        #expect(line.running == 2)
    }

    @Test func `no more answers are written at once than may, and background work goes on`() throws {
        var line = WaitingLine(.init(answersAtOnce: 1))
        for id in 1...2 { try line.join(waiter(id)) }
        try line.join(background(3))
        let first = try line.mustLetIn(now: 0)
        line.finishComputing()
        #expect(line.next(now: 0)?.id == 3)
        line.finishComputing()
        #expect(line.next(now: 0) == nil)
        line.finish(first.errand)
        #expect(line.next(now: 0)?.id == 2)
    }

    @Test func `memory is not exceeded, unless one alone is larger than all of it`() throws {
        var line = WaitingLine(.init(requestMemory: 10))
        try line.join(waiter(1, stored: 0.9, bytes: 6))
        try line.join(waiter(2, stored: 0.8, bytes: 6))
        try line.join(waiter(3, stored: 0.1, bytes: 4))
        try line.join(waiter(4, stored: 0, bytes: 100))
        let first = try line.mustLetIn(now: 0)
        line.finishComputing()
        let third = try line.mustLetIn(now: 0)
        #expect(first.id == 1 && third.id == 3 && line.bytes == 10)
        line.finishComputing()
        #expect(line.next(now: 0) == nil)
        line.finish(first.errand)
        line.finish(third.errand)
        #expect(line.next(now: 0)?.id == 2)
        line.finishComputing()
        line.finish(.request(stored: 0.8, bytes: 6))
        #expect(line.next(now: 0)?.id == 4)
    }

    @Test func `one who has waited long for room is not overtaken by smaller ones`() throws {
        var line = WaitingLine(.init(requestMemory: 10, patience: 1))
        try line.join(waiter(1, bytes: 6))
        let first = try line.mustLetIn(now: 0)
        line.finishComputing()
        try line.join(waiter(2, bytes: 8))
        try line.join(waiter(3, bytes: 1, since: 4.5))
        #expect(line.next(now: 5) == nil)
        line.finish(first.errand)
        #expect(line.next(now: 5)?.id == 2)
    }

    @Test func `a request is refused where as many wait as may, and let in where nobody has to wait`() throws {
        var line = WaitingLine(.init(waitingRequests: 1))
        try line.join(waiter(1))
        _ = line.next(now: 0)
        try line.join(waiter(2))
        let error = #expect(throws: TesseraError.self) { try line.join(waiter(3)) }
        #expect(error?.code == .busy)
        try line.join(background(4))
        let removed = line.leave(2)
        let again = line.leave(2)
        #expect(removed && !again)
        try line.join(waiter(5))
    }
}
