// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension PartialPrefill {
    /// Refuses a call that does not fit the model or the buffer.
    func check(_ model: LlamaModel, _ buffer: KVBuffer) throws(TesseraError) {
        try require(!slots.isEmpty, "a prefill needs at least one row")
        try require(
            buffer.layout == model.configuration.layout,
            "the buffer's layout \(buffer.layout) is not the model's, \(model.configuration.layout)")
        try require(
            zip(slots, slots.dropFirst()).allSatisfy { $0 < $1 },
            "the slots of a prefill have to ascend without repeats")
        try require(
            slots[0] >= 0 && slots[slots.count - 1] < keyCount,
            "the slots \(slots[0]) to \(slots[slots.count - 1]) do not lie below the key count \(keyCount)")
        try require(
            keyCount <= buffer.capacity, "the key count \(keyCount) exceeds the buffer's \(buffer.capacity) slots")
        try checkPressed(buffer)
        if case .trailing(let count) = logits {
            try require(
                (1...slots.count).contains(count), "logits of the last \(count) of \(slots.count) rows can't be had")
        }
        try checkParallel()
        try checkInput(model)
    }

    private func checkPressed(_ buffer: KVBuffer) throws(TesseraError) {
        guard buffer.pressed > 0 else { return }
        try require(
            slots[0] >= buffer.pressed,
            "the slot \(slots[0]) is one of the \(buffer.pressed) that were pressed, which can't be computed anew")
        try require(parallel == nil, "parallel contexts can't be told apart in a pressed buffer")
    }

    private func checkInput(_ model: LlamaModel) throws(TesseraError) {
        switch input {
        case .tokens(let tokens): try check(tokens, model)
        case .embeddings(let numbers): try check(numbers, rows: slots.count, model)
        case .mixed(let tokens, let runs):
            try check(tokens, model)
            for run in runs {
                try require(
                    run.rows.lowerBound >= 0 && run.rows.upperBound <= slots.count,
                    "the rows \(run.rows) of embeddings do not lie in the call's \(slots.count)")
                try check(run.embeddings, rows: run.rows.count, model)
            }
        }
    }

    private func check(_ tokens: [TokenID], _ model: LlamaModel) throws(TesseraError) {
        try require(tokens.count == slots.count, "\(tokens.count) tokens for \(slots.count) slots")
        let vocabulary = model.weights.vocabulary
        if let stranger = tokens.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
            throw TesseraError(
                .invalidInput, "the token id \(stranger) is not in the model's vocabulary of \(vocabulary)")
        }
    }

    private func check(_ embeddings: [Float], rows: Int, _ model: LlamaModel) throws(TesseraError) {
        let width = model.configuration.width
        try require(
            embeddings.count == rows * width,
            "\(embeddings.count) numbers are not embeddings of width \(width) for \(rows) slots")
    }

    private func checkParallel() throws(TesseraError) {
        guard let parallel else { return }
        for (name, factor) in [("temperature", parallel.temperature), ("scale", parallel.scale)] {
            let range = ParallelContexts.factors
            try require(
                range.contains(factor),
                "the \(name) \(factor) of parallel contexts does not lie in \(range.lowerBound) … \(range.upperBound)")
        }
        let block = parallel.slots
        guard !block.isEmpty else { return }
        try require(
            block.lowerBound >= 0 && block.upperBound <= keyCount,
            "the parallel contexts' slots \(block) do not lie below the key count \(keyCount)")
        if let row = slots.first(where: block.contains) {
            throw TesseraError(
                .invalidInput,
                "the row of slot \(row) lies in the parallel contexts' slots \(block); they are read only")
        }
    }

    private func require(_ holds: Bool, _ complaint: @autoclosure () -> String) throws(TesseraError) {
        guard holds else { throw TesseraError(.invalidInput, complaint()) }
    }
}
