// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TesseraRetrieval

/// How documents are cut, as options.
struct ChunkOptions: ParsableArguments {
    enum Paragraphs: String, ExpressibleByArgument, CaseIterable {
        case packed, separate

        var value: ChunkingOptions.Paragraphs { self == .packed ? .packed : .separate }
    }

    @Option(help: "The most tokens of a chunk.")
    var chunkTokens = 512

    @Option(help: "Sentences that a chunk repeats of the one before it.")
    var overlap = 0

    @Option(help: "packed: paragraphs share a chunk as long as they fit; separate: each begins its own.")
    var paragraphs = Paragraphs.packed

    func validate() throws {
        guard (1...1_000_000).contains(chunkTokens) else {
            throw ValidationError("--chunk-tokens is between 1 and 1000000")
        }
        guard (0...1000).contains(overlap) else { throw ValidationError("--overlap is between 0 and 1000") }
    }

    var value: ChunkingOptions {
        ChunkingOptions(
            limit: chunkTokens, overlap: overlap, paragraphs: paragraphs.value)
    }
}
