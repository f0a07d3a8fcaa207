// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization
internal import TesseraKV
internal import TesseraRuntime

/// Writes all answers that are under way together: each round computes the next token of every one of them in one call of
/// the runtime. Answers come and go between rounds.
final class BatchDecoder: Sendable {
    private struct State {
        var newcomers: [AnswerDraft] = []
        var isRunning = false
    }

    private let runtime: any ModelRuntime
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "tessera.decode")

    init(_ runtime: any ModelRuntime) {
        self.runtime = runtime
    }

    /// Writes an answer to its end.
    ///
    /// - Parameter onPiece: Gets each piece as soon as it is drawn, on the decoder's thread.
    /// - Returns: The tokens of the answer, and why it ended.
    /// - Throws: ``TesseraError`` as the runtime.
    func finish(
        _ draft: AnswerDraft, onPiece: @escaping @Sendable (TokenGenerator.Piece) -> Void
    ) async throws(TesseraError) -> (tokens: [TokenID], end: TokenGenerator.End) {
        draft.onPiece = onPiece
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { caller in
                draft.setCaller(caller)
                let starts = state.withLock { state in
                    state.newcomers.append(draft)
                    defer { state.isRunning = true }
                    return !state.isRunning
                }
                if starts { queue.async { self.run() } }
            }
        } onCancel: {
            draft.cancel()
        }
        try outcome.get()
        return (draft.generator.tokens, draft.generator.end ?? .cancelled)
    }

    /// Rounds for as long as there are answers.
    private func run() {
        var drafts: [AnswerDraft] = []
        while true {
            let goesOn = state.withLock { state in
                drafts += state.newcomers
                state.newcomers = []
                state.isRunning = !drafts.isEmpty
                return state.isRunning
            }
            guard goesOn else { return }
            drafts = round(drafts)
        }
    }

    /// Computes the next token of all answers, and returns those that go on.
    private func round(_ drafts: [AnswerDraft]) -> [AnswerDraft] {
        for draft in drafts where draft.isCancelled { draft.generator.cancel() }
        let together = drafts.compactMap { draft in
            draft.generator.stepsAlone ? nil : draft.generator.pendingStep.map { (draft, $0) }
        }
        let rows = logits(of: together.map(\.1))
        var logits: [ObjectIdentifier: Result<[Float], TesseraError>] = [:]
        for (pair, row) in zip(together, rows) { logits[ObjectIdentifier(pair.0)] = row }
        return drafts.filter { advance($0, logits[ObjectIdentifier($0)]) }
    }

    /// The logits of each step. Where a call for all fails, each is tried by itself: one bad step must not take the others
    /// along.
    private func logits(of steps: [DecodeStep]) -> [Result<[Float], TesseraError>] {
        guard !steps.isEmpty else { return [] }
        do throws(TesseraError) {
            let all = try runtime.decode(steps)
            let width = all.count / steps.count
            return steps.indices.map { .success(Array(all[$0 * width..<($0 + 1) * width])) }
        } catch {
            guard steps.count > 1 else { return [.failure(error)] }
            return steps.flatMap { logits(of: [$0]) }
        }
    }

    /// Draws the next piece; whether the answer goes on.
    private func advance(_ draft: AnswerDraft, _ logits: Result<[Float], TesseraError>?) -> Bool {
        do throws(TesseraError) {
            let piece: TokenGenerator.Piece?
            if let logits {
                piece = try draft.generator.next(after: logits.get())
            } else {
                piece = try draft.generator.next()
            }
            guard let piece else {
                draft.finish(.success(()))
                return false
            }
            draft.onPiece(piece)
            return true
        } catch {
            draft.finish(.failure(error))
            return false
        }
    }
}
