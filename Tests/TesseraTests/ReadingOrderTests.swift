// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRetrieval
import Testing

@testable import Tessera

struct `reading order` {
    private func hit(_ document: String, _ ordinal: Int, _ score: Double = 0) -> RetrievedChunk {
        RetrievedChunk(text: "", source: ChunkSource(document: document, ordinal: ordinal), score: score)
    }

    @Test func `documents keep the order of their best hit, chunks that of the document`() {
        let ordered = readingOrder([hit("b", 4, 9), hit("a", 2, 8), hit("b", 1, 7), hit("a", 0, 1)])
        #expect(ordered.map { "\($0.source.document)\($0.source.ordinal)" } == ["b1", "b4", "a0", "a2"])
    }

    @Test func `nothing stays nothing`() {
        #expect(readingOrder([]).isEmpty)
    }
}

struct `what fits a cap` {
    private func candidate(_ name: TokenID, _ bytes: Int, _ uses: Int) -> FitCandidate {
        let digest = Digest256(of: [UInt8]())
        return FitCandidate(key: ChunkKey(fingerprint: digest, namespace: "", chunk: [name]), bytes: bytes, uses: uses)
    }

    @Test func `the most used come first, then those in front`() {
        let all = [candidate(0, 10, 0), candidate(1, 10, 5), candidate(2, 10, 5), candidate(3, 10, 9)]
        #expect(chunksThatFit(all, room: 20) == [all[3].key, all[1].key])
        #expect(chunksThatFit(all, room: 40).count == 4)
        #expect(chunksThatFit(all, room: 9).isEmpty)
    }

    @Test func `one that is too large gives way to smaller ones behind it`() {
        let all = [candidate(0, 100, 9), candidate(1, 10, 0), candidate(2, 10, 0)]
        #expect(chunksThatFit(all, room: 25) == [all[1].key, all[2].key])
    }
}
