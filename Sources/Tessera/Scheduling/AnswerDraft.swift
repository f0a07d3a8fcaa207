// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import TesseraKV
internal import TesseraRuntime

/// An answer under way, in the hands of ``BatchDecoder``.
///
/// `@unchecked Sendable` because its generator, and what goes with it, is touched by the decoder's rounds alone from when it
/// is handed over until its caller is told that it has ended.
final class AnswerDraft: @unchecked Sendable {
    /// Draws the tokens.
    var generator: TokenGenerator
    /// Repairs stale tokens beside the answer; nil where none are.
    let repair: DecodeRepair?
    /// Gets each piece as soon as it is drawn, on the thread that writes all answers.
    var onPiece: @Sendable (TokenGenerator.Piece) -> Void = { _ in }

    private let cancelled = Atomic<Bool>(false)
    private let caller = Mutex<CheckedContinuation<Result<Void, TesseraError>, Never>?>(nil)

    /// - Parameter generator: The answer, its first piece drawn already.
    init(_ generator: TokenGenerator, _ repair: DecodeRepair? = nil) {
        self.generator = generator
        self.repair = repair
    }

    /// Whether nobody wants it any more.
    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Says that nobody wants it any more.
    func cancel() { cancelled.store(true, ordering: .relaxed) }

    /// Takes down who waits for its end.
    func setCaller(_ caller: CheckedContinuation<Result<Void, TesseraError>, Never>) {
        self.caller.withLock { $0 = caller }
    }

    /// Tells him, once.
    func finish(_ outcome: Result<Void, TesseraError>) {
        let caller = caller.withLock { caller in
            defer { caller = nil }
            return caller
        }
        caller?.resume(returning: outcome)
    }
}
