// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import TesseraAPI

extension TesseraClient {
    /// The records of the cache.
    ///
    /// - Parameters:
    ///   - kind: `chunk`, `variant` or `prefix`; nil for all.
    ///   - order: What comes first: by `used` (the default), `created`, `size` or `uses`.
    ///   - limit: The most records, 1 to 1000; 50 by default.
    ///   - producer: The runtime that made them; nil for the server's own engine and all others.
    ///   - begins: The hexadecimal digits that their ids begin with.
    public func chunks(
        kind: String? = nil, order: String? = nil, limit: Int? = nil, producer: String? = nil,
        begins: String? = nil
    ) async throws(TesseraClientError) -> [ChunkEntry] {
        let query = [
            (name: "kind", value: kind), (name: "order", value: order), (name: "limit", value: limit.map { "\($0)" }),
            (name: "producer", value: producer), (name: "begins", value: begins),
        ]
        return try await transport.value(.get("v1", "chunks", query: query), as: ListOf<ChunkEntry>.self).data
    }

    /// All about a record but its numbers.
    public func chunk(_ id: String) async throws(TesseraClientError) -> ChunkDetail {
        try await transport.value(.get("v1", "chunks", id))
    }

    /// Takes in KV that was made elsewhere.
    ///
    /// - Parameter file: The bytes of a safetensors file.
    public func importChunk(_ file: Data) async throws(TesseraClientError) -> ImportedChunk {
        try await transport.value(.post("v1", "chunks", bytes: file))
    }

    /// Sees to it that records are never given up for room.
    ///
    /// - Returns: How many records there were.
    @discardableResult
    public func pin(_ ids: [String]) async throws(TesseraClientError) -> Int {
        try await transport.value(.post("v1", "chunks", "pin", json: ChunkIDs(ids: ids)), as: ChunkCount.self).records
    }

    /// Lets records be given up for room again.
    ///
    /// - Returns: How many records there were.
    @discardableResult
    public func unpin(_ ids: [String]) async throws(TesseraClientError) -> Int {
        try await transport.value(.post("v1", "chunks", "unpin", json: ChunkIDs(ids: ids)), as: ChunkCount.self)
            .records
    }

    /// Removes a record and its variants.
    public func delete(chunk id: String) async throws(TesseraClientError) {
        try await transport.bytes(.delete("v1", "chunks", id))
    }
}
