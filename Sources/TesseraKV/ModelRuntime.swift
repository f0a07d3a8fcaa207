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

    /// What a screenshot becomes: one embedding for each patch of it, row by row, (patch, model width).
    ///
    /// - Throws: ``TesseraError`` of code `unsupported` where the model sees no screenshots, `invalidInput` for one of a
    ///   size that it doesn't see.
    func embeddings(of frame: Frame) throws(TesseraError) -> [Float]

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

    /// Computes the next token of several answers at once.
    ///
    /// A runtime lets it go before a prompt that is being computed, so that answers which are being read don't stall.
    /// By default each step is a ``prefill(_:over:observer:)`` of its own.
    ///
    /// - Parameter steps: At least one; no two of them share a buffer.
    /// - Returns: Logits of shape (step, vocabulary): those of each step alone to rounding.
    /// - Throws: ``TesseraError`` as ``prefill(_:over:observer:)``; which step was at fault is not said.
    func decode(_ steps: [DecodeStep]) throws(TesseraError) -> [Float]
}

extension ModelRuntime {
    /// None: the model reads text alone.
    public func embeddings(of frame: Frame) throws(TesseraError) -> [Float] {
        throw .blind(model.name)
    }

    /// One step after the other.
    public func decode(_ steps: [DecodeStep]) throws(TesseraError) -> [Float] {
        var logits: [Float] = []
        for step in steps {
            let call = PartialPrefill(
                input: .tokens([step.token]), slots: [step.slot], keyCount: step.slot + 1, logits: .last,
                parallel: step.parallel)
            logits += try prefill(call, over: step.buffer, observer: nil).logits
        }
        return logits
    }
}

extension TesseraError {
    /// A model that was shown a screenshot and reads text alone.
    package static func blind(_ model: String) -> TesseraError {
        TesseraError(.unsupported, "\(model) reads text alone; screenshots need a model that sees them")
    }
}
