// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import TesseraRuntime

@Suite struct `A team of threads` {
    @Test func `leaves small work to one`() {
        let team = ThreadTeam(threads: 4)
        var places: [Range<Int>] = []
        team.run(rows: 100, width: 256) { places.append($0) }
        #expect(places == [0..<100])
        // A layer of 1,024 × 1,024 is worth it for one row, a smaller one only for many.
        #expect(team.isShared(ThreadTeam.steps(rows: 1, weights: 1 << 20)))
        #expect(!team.isShared(ThreadTeam.steps(rows: 1, weights: 1 << 18)))
        #expect(team.isShared(ThreadTeam.steps(rows: 256, weights: 1 << 18)))
        #expect(!ThreadTeam(threads: 1).isShared(.max))
    }

    @Test(arguments: [1, 7, 100, 1001], [1, 2, 3])
    func `does each row once`(count: Int, threads: Int) {
        let done = Mutex(Array(repeating: 0, count: count))
        ThreadTeam(threads: threads, leastSteps: 1).run(rows: count, width: 1) { rows in
            done.withLock { done in
                for row in rows { done[row] += 1 }
            }
        }
        #expect(done.withLock { $0 } == Array(repeating: 1, count: count))
    }
}
