// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera

/// How many questions a bench asks at once.
struct JobOptions: ParsableArguments {
    @Option(
        help: """
            Questions asked at once, each by an equal share of the cores. For a small model as many as there are cores; \
            for a large one 1.
            """)
    var jobs = 1

    func validate() throws {
        guard (1...256).contains(jobs) else { throw ValidationError("--jobs is between 1 and 256") }
    }

    /// The caches that ask in the place of one; none where a question is asked at a time.
    func workers(beside cache: ContextCache, model: ModelOptions) throws -> [ContextCache] {
        guard jobs > 1 else { return [] }
        let cores = model.threads ?? ProcessInfo.processInfo.activeProcessorCount
        return try (0..<jobs).map { _ in
            try ContextCache(model: model.file(), beside: cache, threads: max(1, cores / jobs))
        }
    }
}
