// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization
import TesseraAPI
import TesseraClient
import TesseraKV
import TesseraRetrieval

/// The text index of documents for a server's model: it lies in the user's own cache folder, and the server's tokenizer
/// counts for it.
struct RemoteIndex {
    let index: DocumentIndex
    private let tokenizer: RemoteTokenizer

    /// Opens the index and brings it up to date with some documents.
    ///
    /// - Parameters:
    ///   - paths: Files and folders.
    ///   - options: How documents are cut.
    init(_ client: TesseraClient, _ paths: [String], _ options: ChunkingOptions) async throws {
        guard let model = try await client.models().first?.tessera else {
            throw TesseraError(.unsupported, "the server has no model")
        }
        guard let digest = Digest256(hexadecimal: model.tokenizer) else {
            throw TesseraError(.unsupported, "the server is another version: its tokenizer has no digest")
        }
        var options = options
        options.limit = min(options.limit, max(1, model.contextLength - model.recipe.count))
        let tokenizer = RemoteTokenizer(client)
        self.tokenizer = tokenizer
        let folder = StoreOptions.defaultStore + "-client"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let name = [
            String(model.tokenizer.prefix(16)), "\(options.limit)", "\(options.overlap)", options.paragraphs.rawValue,
        ].joined(separator: "-")
        let path = "\(folder)/\(name).index"
        let index = try DocumentIndex(
            path: path, encoder: TokenEncoder(digest: digest, encode: tokenizer.encode), options: options)
        self.index = index
        // It waits for the server piece by piece, which no thread of Swift's pool may do.
        let outcome: Result<SyncReport, any Error> = await withCheckedContinuation { caller in
            DispatchQueue.global().async {
                caller.resume(returning: Result { try index.sync(paths) })
            }
        }
        if let failure = tokenizer.failure {
            // What was cut without the tokenizer is of no use.
            for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
            throw failure
        }
        notice(try outcome.get())
    }
}

/// A server's tokenizer for callers that wait.
private final class RemoteTokenizer: Sendable {
    private let client: TesseraClient
    private let failed = Mutex<TesseraClientError?>(nil)

    init(_ client: TesseraClient) {
        self.client = client
    }

    /// Why it could not go on; nil where it could.
    var failure: TesseraClientError? { failed.withLock { $0 } }

    /// The ids of a text; none once something has failed. It blocks its thread.
    @Sendable func encode(_ text: String) -> [TokenID] {
        guard failure == nil else { return [] }
        let answer = Answer()
        let done = DispatchSemaphore(value: 0)
        Task { [client] in
            do throws(TesseraClientError) {
                let tokens = try await client.tokenize(text)
                answer.value.withLock { $0 = .success(tokens) }
            } catch {
                answer.value.withLock { $0 = .failure(error) }
            }
            done.signal()
        }
        done.wait()
        switch answer.value.withLock({ $0 }) {
        case .success(let tokens): return tokens
        case .failure(let error):
            failed.withLock { $0 = $0 ?? error }
            return []
        }
    }

    /// What a request came to.
    private final class Answer: Sendable {
        let value = Mutex<Result<[TokenID], TesseraClientError>>(.success([]))
    }
}
