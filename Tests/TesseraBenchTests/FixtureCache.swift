// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera
import TesseraTestSupport

/// Lends a cache of the fixture model for texts, its store empty.
func withFixtureCache<R>(
    _ options: ContextCacheOptions = .init(), isolation: isolated (any Actor)? = #isolation,
    _ body: (ContextCache) async throws -> R
) async throws -> R {
    try await withTemporaryDirectory { folder in
        let cache = try ContextCache(
            model: fixtures.appendingPathComponent("models/rag-mini.gguf").path,
            store: folder.appendingPathComponent("store").path, options: options)
        return try await body(cache)
    }
}
