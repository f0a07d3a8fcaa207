// SPDX-License-Identifier: Apache-2.0

internal import COneDNN
internal import Foundation
internal import Synchronization
internal import TesseraKV

/// The team of threads that all computing is spread over: libgomp's, which oneDNN uses too.
///
/// libgomp keeps a team for each thread that asks for one, so everything runs from one ``EngineThread``. A pool of our
/// own (or Dispatch) beside it would find the cores taken by the team's workers, which spin for a while after each
/// product.
struct ThreadTeam {
    let threads: Int
    /// The least work that is shared; see ``isShared(_:)``.
    var leastSteps = Self.usualLeastSteps

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

    /// Whether work is worth waking others for.
    ///
    /// A thread that sleeps takes 10 to 150 µs until it works, virtual machines at the upper end, and a layer has six
    /// such parts: with all of them shared, a token of a model of 5 million weights took 7 ms on two threads and 1.8 ms
    /// on one. The bound is fixed, not measured, so that the same call gives the same numbers each time.
    ///
    /// - Parameter steps: Multiplications with their additions, of which a thread does ten in a nanosecond at the least.
    func isShared(_ steps: Int) -> Bool { threads > 1 && steps >= leastSteps }

    /// Several times what waking takes, at the rate that ``isShared(_:)`` goes by.
    static let usualLeastSteps = 1 << 22
    /// What a number counts as that goes through a norm, a rotation or the like.
    private static let numberSteps = 8
    /// What a weight counts as that has to be read for few rows.
    private static let weightSteps = 4

    /// The steps of reading and writing numbers.
    static func steps(numbers: Int) -> Int { numbers * numberSteps }

    /// The steps of a product.
    static func steps(rows: Int, weights: Int) -> Int { weights * max(rows, weightSteps) }

    /// Runs a product of a library's, which spreads over as many threads as the calling thread's setting says: that of the
    /// thread that has called ``adopt()``, which has to be found as it was by what comes next.
    ///
    /// - Parameters:
    ///   - rows: Rows of the input.
    ///   - weights: Numbers of the matrix.
    func product<R>(
        rows: Int, weights: Int, _ body: () throws(TesseraError) -> R
    ) throws(TesseraError) -> R {
        guard threads > 1, !isShared(Self.steps(rows: rows, weights: weights)) else { return try body() }
        omp_set_num_threads(1)
        defer { omp_set_num_threads(CInt(threads)) }
        return try body()
    }

    /// Runs `body` for tasks 0 ..< count, each once, in any order and on any thread of the team; returns when all are
    /// done. `thread` is below ``threads`` and belongs to one task at a time.
    ///
    /// - Parameter steps: Those of all tasks; see ``isShared(_:)``.
    func run(_ count: Int, steps: Int, _ body: (_ task: Int, _ thread: Int) -> Void) {
        guard isShared(steps), count > 1 else {
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

    /// Runs `body` for rows 0 ..< count in runs of neighbours.
    ///
    /// - Parameter width: The numbers of a row, each of which is read and written about once.
    func run(rows count: Int, width: Int, _ body: (_ rows: Range<Int>) -> Void) {
        let steps = Self.steps(numbers: count * width)
        guard isShared(steps) else { return body(0..<count) }
        let length = (count + 4 * threads - 1) / (4 * threads)
        run((count + length - 1) / length, steps: steps) { task, _ in
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
