// SPDX-License-Identifier: Apache-2.0

/// What runs a model: the embedded engine, or another that can compute chosen tokens over a given KV.
///
/// Calls compute and block; callers keep them off the cooperative thread pool. A runtime serves one call at a time
/// and queues the others.
public protocol ModelRuntime: AnyObject, Sendable {
    /// What there is to know of the model.
    var model: ModelDescription { get }

    /// The model's own tokenizer.
    var tokenizer: any Tokenizer { get }

    /// Computes the rows of `call` over `buffer` (see ``PartialPrefill``).
    ///
    /// Decoding is the same call with one row. On error the fresh rows of the buffer are undefined; rows that the
    /// call did not name are untouched.
    ///
    /// - Parameters:
    ///   - call: Which tokens, where, and which logits.
    ///   - buffer: The request's keys and values; positions of all slots below `call.keyCount` are set.
    ///   - observer: Watches and narrows; nil for none.
    /// - Throws: ``TesseraError`` for input out of range, of code `unsupported` for parallel contexts or a look at
    ///   attention that the runtime can't give, or what the observer threw.
    func prefill(
        _ call: PartialPrefill, over buffer: KVBuffer, observer: (any LayerObserver)?
    ) throws(TesseraError) -> PrefillOutput
}
