// SPDX-License-Identifier: Apache-2.0

internal import COneDNN
internal import Foundation
internal import Synchronization

/// The team of threads that all computing is spread over: libgomp's, which oneDNN uses too.
///
/// libgomp keeps a team for each thread that asks for one, so everything runs from one ``EngineThread``. A pool of our
/// own (or Dispatch) beside it would find the cores taken by the team's workers, which spin for a while after each
/// product.
struct ThreadTeam {
    let threads: Int

    /// Makes oneDNN's work on the calling thread use as many threads.
    func adopt() {
        Self.shortenSpinning
        omp_set_num_threads(CInt(threads))
    }

    /// Has idle threads sleep after some microseconds.
    ///
    /// By default libgomp's idle threads spin for 300,000 rounds, up to 20 ms, and where another process wants their core
    /// the thread that they wait for does not get it: beside one busy process of the lowest priority a small model ran
    /// 40 times slower. The documented ways to change that are environment variables, read before a program begins,
    /// and (libgomp's manual, `GOMP_SPINCOUNT`) having more threads than processors, which leaves 100 rounds. So one
    /// sleeping thread holds a small team of its own.
    private static let shortenSpinning: Void = {
        let spare = Thread {
            GOMP_parallel({ _ in }, nil, UInt32(ProcessInfo.processInfo.processorCount) + 1, 0)
            while true { sleep(.max) }
        }
        spare.name = "tessera-spare"
        spare.start()
    }()

    /// Runs `body` for tasks 0 ..< count, each once, in any order and on any thread of the team; returns when all are
    /// done. `thread` is below ``threads`` and belongs to one task at a time.
    func run(_ count: Int, _ body: (_ task: Int, _ thread: Int) -> Void) {
        guard threads > 1, count > 1 else {
            for task in 0..<count { body(task, 0) }
            return
        }
        withoutActuallyEscaping(body) { body in
            let work = Work(count: count, body: body)
            withExtendedLifetime(work) {
                GOMP_parallel(
                    { if let work = $0 { Unmanaged<Work>.fromOpaque(work).takeUnretainedValue().takePart() } },
                    Unmanaged.passUnretained(work).toOpaque(), UInt32(min(threads, count)), 0)
            }
        }
    }

    /// Runs `body` for the numbers 0 ..< count in runs of neighbours; a run holds at least `grain` of them.
    func run(over count: Int, grain: Int, _ body: (_ numbers: Range<Int>) -> Void) {
        let length = max(grain, (count + 4 * threads - 1) / (4 * threads))
        run((count + length - 1) / length) { task, _ in
            body(task * length..<min(count, (task + 1) * length))
        }
    }

    private final class Work {
        let count: Int
        let body: (Int, Int) -> Void
        let next = Atomic<Int>(0)

        init(count: Int, body: @escaping (Int, Int) -> Void) {
            self.count = count
            self.body = body
        }

        func takePart() {
            let thread = Int(omp_get_thread_num())
            while true {
                let task = next.add(1, ordering: .relaxed).oldValue
                guard task < count else { return }
                body(task, thread)
            }
        }
    }
}
