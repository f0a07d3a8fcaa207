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

    var value: ChunkingOptions {
        ChunkingOptions(
            limit: chunkTokens, overlap: overlap, paragraphs: paragraphs.value)
    }
}
