// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What a pass over a trace tells of it: how many objects there are, and how large.
struct TraceSurvey {
    /// Distinct objects.
    let objects: Int
    /// The bytes of all distinct objects, each in the size in which it was last asked for.
    let distinctBytes: Int
    /// Whether all objects have one size.
    let isUniform: Bool

    init(_ source: any TraceSource) throws(TesseraError) {
        var source = source
        var sizes: [ObjectKey: Int] = [:]
        var (least, greatest) = (Int.max, 0)
        while true {
            let batch = try source.next(Simulation.batch)
            guard !batch.isEmpty else { break }
            for request in batch {
                sizes[request.object.key] = request.object.bytes
                (least, greatest) = (min(least, request.object.bytes), max(greatest, request.object.bytes))
            }
        }
        objects = sizes.count
        distinctBytes = sizes.values.reduce(into: 0) { $0.add($1) }
        isUniform = least == greatest
    }
}
