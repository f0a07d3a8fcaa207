// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// What a record stands for in a prompt.
package enum RecordKind: UInt8, Sendable, Hashable, CaseIterable {
    /// A chunk of a document, reusable wherever it stands.
    case chunk = 0
    /// A prompt's leading run at positions 0 … n−1.
    case prefix = 1
}

/// Behind what a record's KV was computed.
package enum Provenance: UInt8, Sendable, Hashable, CaseIterable {
    /// Behind the recipe's neutral prefix alone.
    case isolated = 0
    /// At the head of a prompt, with nothing before it.
    case prefix = 1
    /// Behind named other chunks; what a variant is.
    case contextual = 2
}

/// A KV as it is handed to the store: what it is of, and one opaque run of bytes per layer, made by a codec.
package struct ChunkRecord: Sendable {
    /// The name that the record is stored and looked up by.
    package let key: ChunkKey
    /// What the record stands for in a prompt.
    package let kind: RecordKind
    /// The digest of the fingerprint that the KV was computed under.
    package let fingerprint: Digest256
    /// The tenant scope.
    package let namespace: String
    /// The ids of the chunk, or of the whole prefix.
    package let tokens: [TokenID]
    /// Those of the tokens, ascending, that the layers have rows of; nil for all.
    package let kept: [Int]?
    /// The shape of keys and values.
    package let layout: KVLayout
    /// The name of the codec that made the layers' bytes.
    package let codec: String
    /// Behind what the KV was computed.
    package let provenance: Provenance
    /// The isolated keys of the chunks that the KV was captured behind, in their order; empty unless it is contextual.
    package let behind: [ChunkKey]
    /// What the capture measured, for whoever chooses among variants; the store doesn't read it.
    package let statistics: [UInt8]
    /// The bytes of each layer, from layer 0.
    package let layers: [[UInt8]]

    /// Makes a record; its key follows from kind, fingerprint, namespace and tokens, also where it is of some of the tokens
    /// only.
    package init(
        kind: RecordKind, fingerprint: Digest256, namespace: String, tokens: [TokenID], kept: [Int]? = nil,
        layout: KVLayout, codec: String, layers: [[UInt8]]
    ) {
        switch kind {
        case .chunk:
            key = ChunkKey(fingerprint: fingerprint, namespace: namespace, chunk: tokens)
            provenance = .isolated
        case .prefix:
            key = ChunkKey(fingerprint: fingerprint, namespace: namespace, prefix: tokens)
            provenance = .prefix
        }
        (self.kind, self.fingerprint, self.namespace, self.tokens) = (kind, fingerprint, namespace, tokens)
        (self.layout, self.codec, self.layers) = (layout, codec, layers)
        (behind, statistics, self.kept) = ([], [], kept)
    }

    /// Makes the record of a contextual variant; its key follows from fingerprint, namespace, tokens and `behind`.
    package init(
        behind: [ChunkKey], statistics: [UInt8], fingerprint: Digest256, namespace: String, tokens: [TokenID],
        layout: KVLayout, codec: String, layers: [[UInt8]]
    ) {
        key = ChunkKey(fingerprint: fingerprint, namespace: namespace, chunk: tokens, behind: behind)
        (kind, provenance) = (.chunk, .contextual)
        (self.fingerprint, self.namespace, self.tokens) = (fingerprint, namespace, tokens)
        (self.layout, self.codec, self.layers) = (layout, codec, layers)
        (self.behind, self.statistics, kept) = (behind, statistics, nil)
    }

    /// The key of the isolated variant of the same tokens.
    package var chunk: ChunkKey { ChunkKey(fingerprint: fingerprint, namespace: namespace, chunk: tokens) }

    /// The size of all layers.
    package var byteCount: Int { layers.reduce(0) { $0 + $1.count } }

    /// Refuses what a header can't hold or what contradicts itself.
    func validate() throws(TesseraError) {
        guard layers.count == layout.layers, layers.count <= StoreKey.mostLayers else {
            throw TesseraError(
                .invalidInput, "a record of \(layers.count) layers doesn't fit a layout of \(layout.layers)")
        }
        guard !tokens.isEmpty, tokens.count <= RecordHeader.mostTokens else {
            throw TesseraError(
                .invalidInput, "a record has 1 to \(RecordHeader.mostTokens) tokens, this one has \(tokens.count)")
        }
        guard namespace.utf8.count <= RecordHeader.longestText, codec.utf8.count <= RecordHeader.longestText else {
            throw TesseraError(
                .invalidInput, "names of namespaces and codecs have at most \(RecordHeader.longestText) bytes")
        }
        guard layers.allSatisfy({ !$0.isEmpty && $0.count <= RecordHeader.largestLayer }) else {
            throw TesseraError(.invalidInput, "a layer has 1 to \(RecordHeader.largestLayer) bytes")
        }
        if provenance == .contextual { try validateContext() }
        if let kept { try validate(kept: kept) }
    }

    private func validate(kept: [Int]) throws(TesseraError) {
        guard provenance == .isolated else {
            throw TesseraError(.invalidInput, "only a chunk that was encoded alone can lack tokens")
        }
        guard let first = kept.first, let last = kept.last, first >= 0, last < tokens.count, kept.count < tokens.count,
            zip(kept, kept.dropFirst()).allSatisfy({ $0 < $1 })
        else {
            throw TesseraError(
                .invalidInput,
                "a record's kept tokens are an ascending part of its \(tokens.count), and not all of them")
        }
    }

    private func validateContext() throws(TesseraError) {
        guard (1...VariantRecord.mostBehind).contains(behind.count) else {
            throw TesseraError(
                .invalidInput,
                "a variant stands behind 1 to \(VariantRecord.mostBehind) chunks, this one behind \(behind.count)")
        }
        guard statistics.count <= VariantRecord.largestStatistics else {
            throw TesseraError(
                .invalidInput,
                "a variant's statistics have at most \(VariantRecord.largestStatistics) bytes, these have "
                    + "\(statistics.count)")
        }
    }
}
