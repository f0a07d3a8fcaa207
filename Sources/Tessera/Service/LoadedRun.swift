// SPDX-License-Identifier: Apache-2.0

internal import TesseraStore

/// A run of a prompt's tokens whose KV is stored.
struct LoadedRun: Sendable {
    /// Its KV; nil where it was not to be loaded.
    var chunk: LoadedChunk?
    /// Its slots, which are its positions too.
    var slots: Range<Int>
}
