// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Foundation
internal import Synchronization
package import TesseraKV
internal import TesseraStore

/// A prompt's stored KV, loaded and verified, ready to be written where another runtime reads it.
package struct StitchedPrompt: Sendable {
    /// What to do with the prompt.
    package let plan: PromptPlan
    /// The slots whose rows are stored KV; in order, none beside the next.
    package let valid: [Range<Int>]
    /// Bytes of the records that were read.
    package let bytesLoaded: Int
    let runs: [LoadedRun]
    let layout: KVLayout
    let rotary: RotaryTable
    /// So many numbers of keys are written at a time: they stay in the processor's caches on their way.
    var tileNumbers = 32 << 10

    /// The threads that write a file.
    private static let writers = 2

    init(plan: PromptPlan, runs: [LoadedRun], layout: KVLayout, rotary: RotaryTable) {
        (self.plan, self.runs, self.layout, self.rotary) = (plan, runs, layout, rotary)
        bytesLoaded = runs.reduce(0) { $0 + ($1.chunk?.chunk.byteCount ?? 0) }
        var valid: [Range<Int>] = []
        for slots in runs.map(\.slots).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = valid.last, last.upperBound == slots.lowerBound {
                valid[valid.count - 1] = last.lowerBound..<slots.upperBound
            } else {
                valid.append(slots)
            }
        }
        self.valid = valid
    }

    /// KV heads in a layer.
    package var heads: Int { layout.heads }

    /// The size of the tensors of a file.
    package func tensorBytes(_ format: KVFileFormat) -> Int {
        2 * layout.layers * plan.promptTokens * layout.width * format.element.byteCount
    }

    /// Writes the KV as a safetensors file: `layers.N.keys` and `layers.N.values`, a row for each token of the prompt. Rows
    /// that are not valid are holes, which read as zeros.
    ///
    /// - Parameters:
    ///   - file: An empty file that is open for writing.
    ///   - format: How the numbers lie.
    ///   - metadata: What is said of the file beside.
    /// - Returns: The file's size.
    /// - Throws: ``TesseraError``: `full` and `io` for what the file system refuses, `invalidInput` for numbers that the
    ///   format can't hold, `corrupt` for records that turn out damaged.
    package func write(
        to file: CInt, _ format: KVFileFormat, metadata: [String: String] = [:]
    ) throws(TesseraError) -> Int {
        let header: [UInt8]
        do {
            header = [UInt8](try self.header(format, metadata).header(alignment: 64))
        } catch {
            throw TesseraError(.io, "the header of a lease can't be written: \(error.localizedDescription)")
        }
        let size = header.count + tensorBytes(format)
        try LayerFileWriter.resize(file, to: size)
        try header.withUnsafeBufferPointer { (bytes) throws(TesseraError) in
            try LayerFileWriter.write(UnsafeRawBufferPointer(bytes), to: file, at: 0)
        }
        let angles = angles(format)
        let next = Atomic(0)
        let failure = Mutex<TesseraError?>(nil)
        DispatchQueue.concurrentPerform(iterations: min(Self.writers, layout.layers)) { _ in
            do throws(TesseraError) {
                let writer = try LayerFileWriter(self, format, to: file, behind: header.count)
                while true {
                    let layer = next.add(1, ordering: .relaxed).oldValue
                    guard layer < layout.layers, failure.withLock({ $0 == nil }) else { return }
                    for (run, angles) in zip(runs, angles) { try writer.write(run, layer: layer, angles: angles) }
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return size
    }

    /// The rotation of each run's keys. Cosines of thousands of positions take a good part of the whole, so they are spread
    /// over the writers' threads too.
    private func angles(_ format: KVFileFormat) -> [RotaryAngles] {
        guard format.isRotated else { return runs.map { rotary.noAngles(tokens: $0.slots.count) } }
        let found = Mutex<[Int: RotaryAngles]>([:])
        let next = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: min(Self.writers, runs.count)) { _ in
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < runs.count else { return }
                let slots = runs[index].slots
                let angles = rotary.angles(at: Int32(slots.lowerBound)..<Int32(slots.upperBound))
                found.withLock { $0[index] = angles }
            }
        }
        return found.withLock { found in runs.indices.compactMap { found[$0] } }
    }

    private func header(_ format: KVFileFormat, _ metadata: [String: String]) -> Safetensors {
        var header = Safetensors(metadata: metadata)
        let (tokens, shape) = (plan.promptTokens, format.shape(tokens: plan.promptTokens, layout))
        let size = tokens * layout.width * format.element.byteCount
        var end = 0
        for layer in 0..<layout.layers {
            for name in ["keys", "values"] {
                header.tensors["layers.\(layer).\(name)"] = .init(
                    type: format.element.rawValue, shape: shape, range: end..<end + size)
                end += size
            }
        }
        return header
    }
}

extension ContextCache {
    /// Loads a prompt's stored KV for another runtime.
    ///
    /// - Parameters:
    ///   - segments: The prompt in order.
    ///   - options: The assembly, or none for what the quality gate has passed.
    /// - Throws: ``TesseraError`` as ``plan(_:options:)``.
    package func stitch(
        _ segments: [PlanSegment], options: AnswerOptions
    ) throws(TesseraError) -> StitchedPrompt {
        let (plan, runs) = try planned(segments, options: options, loads: true)
        return StitchedPrompt(plan: plan, runs: runs, layout: model.layout, rotary: model.rotary)
    }
}
