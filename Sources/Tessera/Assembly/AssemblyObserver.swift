// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// Sees a stitched prompt through the layers: stored KV is in place before a layer begins, and the tokens that go on
/// are picked where the plan says so.
final class AssemblyObserver: LayerObserver {
    private let plan: AssemblyPlan
    private let streamer: LayerStreamer
    private let buffer: KVBuffer
    private let clock = ContinuousClock()

    /// How long the computation waited for stored KV.
    private(set) var stall = Duration.zero

    init(plan: AssemblyPlan, streamer: LayerStreamer, buffer: KVBuffer) {
        self.plan = plan
        self.streamer = streamer
        self.buffer = buffer
    }

    func needs(of layer: Int) -> LayerNeeds {
        LayerNeeds(keysAndValues: layer == selectionLayer, displaced: layer == selectionLayer)
    }

    func layerBegins(_ layer: Int) throws(TesseraError) {
        streamer.request(through: layer + 1)
        let start = clock.now
        try streamer.wait(for: layer)
        stall += clock.now - start
    }

    func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]? {
        guard projection.layer == selectionLayer, case .byDeviation(_, let budget) = plan.selection else { return nil }
        let width = buffer.layout.width
        let stored = Set(plan.reused.flatMap { $0 })
        let candidates = projection.slots.indices.filter { stored.contains(projection.slots[$0]) }
        let scores = deviations(
            fresh: candidates.flatMap { projection.values[$0 * width..<($0 + 1) * width] },
            stored: candidates.flatMap { projection.displacedValues[$0 * width..<($0 + 1) * width] },
            width: width)
        let picked = Set(indicesOfHighest(budget, in: scores).map { candidates[$0] })
        let last = projection.slots.count - 1
        return projection.slots.indices
            .filter { !stored.contains(projection.slots[$0]) || picked.contains($0) || $0 == last }
            .map { projection.slots[$0] }
    }

    private var selectionLayer: Int? {
        if case .byDeviation(let layer, _) = plan.selection { return layer }
        return nil
    }
}
