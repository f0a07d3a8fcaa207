// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// Sees a stitched prompt through the layers: stored KV is in place before a layer begins, and the tokens that go on
/// are picked where the plan says so.
final class AssemblyObserver: LayerObserver {
    private let plan: AssemblyPlan
    private let streamer: LayerStreamer
    private let model: ModelDescription
    private let clock = ContinuousClock()
    private let candidates: Set<Int>
    private let stages: [Int: Int]
    private let measure: SelectionPlan.Measure
    private var focus: FocusedChunks?

    /// How long the computation waited for stored KV.
    private(set) var stall = Duration.zero
    /// The chunks, by their place among the reused ones, that the question looks at; nil as long as it is not settled.
    private(set) var focused: Set<Int>?
    /// The deviation of each candidate in the layer that compared last.
    private(set) var deviations: [Int: Float] = [:]
    /// The candidates that went on from there.
    private(set) var selected: Set<Int> = []

    init(plan: AssemblyPlan, streamer: LayerStreamer, model: ModelDescription, focuses: Bool = false) {
        self.plan = plan
        self.streamer = streamer
        self.model = model
        candidates = Set(plan.selection.candidates)
        if case .measured(let measure, let stages) = plan.selection.choice {
            self.measure = measure
            self.stages = Dictionary(stages.map { ($0.layer, $0.budget) }, uniquingKeysWith: min)
        } else {
            (measure, stages) = (.values, [:])
        }
        if focuses, plan.reused.count > 1 {
            let layers = model.layout.layers
            focus = FocusedChunks(
                tokens: plan.reused.map { $0.slots.count }, firstLayer: layers < 16 ? layers / 2 : 8)
        }
    }

    func needs(of layer: Int) -> LayerNeeds {
        var needs = LayerNeeds()
        if stages[layer] != nil {
            needs.keysAndValues = true
            needs.displaced = true
            if measure == .attendedValues { needs.attentionAtSelection = Array(plan.question) }
        }
        if focus != nil, focused == nil {
            needs.masses = AttentionMassNeeds(rows: Array(plan.question), segments: plan.reused.map(\.slots))
        }
        return needs
    }

    func layerBegins(_ layer: Int) throws(TesseraError) {
        streamer.request(through: layer + streamer.depth)
        let start = clock.now
        try streamer.wait(for: layer)
        stall += clock.now - start
    }

    func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]? {
        var going: [Int]?
        if let budget = stages[projection.layer] { going = highest(budget, of: projection) }
        if let focused { going = (going ?? projection.slots).filter { !isLeft($0, by: focused) } }
        return going
    }

    func layerWeighed(_ masses: LayerMasses) throws(TesseraError) {
        let chunks = plan.reused.count
        var sums = [Double](repeating: 0, count: chunks)
        for (index, mass) in masses.masses.enumerated() { sums[index % chunks] += Double(mass) }
        focused = focus?.add(sums, layer: masses.layer)
    }

    /// The rows that go on from a stage: all but candidates, and those candidates that score highest.
    private func highest(_ budget: Int, of projection: LayerProjection) -> [Int] {
        let rows = projection.slots.indices.filter { candidates.contains(projection.slots[$0]) }
        let scores = scores(of: rows, projection)
        let picked = Set(indicesOfHighest(budget, in: scores).map { rows[$0] })
        selected = Set(picked.map { projection.slots[$0] })
        return projection.slots.indices
            .filter { isUnreplaceable(projection.slots[$0]) || picked.contains($0) }
            .map { projection.slots[$0] }
    }

    private func scores(of rows: [Int], _ projection: LayerProjection) -> [Float] {
        let width = model.layout.width
        func gathered(_ numbers: [Float]) -> [Float] {
            rows.flatMap { numbers[$0 * width..<($0 + 1) * width] }
        }
        switch measure {
        case .keys:
            return TesseraReuse.deviations(
                fresh: gathered(projection.placedKeys), stored: gathered(projection.displacedKeys), width: width)
        case .values:
            return TesseraReuse.deviations(
                fresh: gathered(projection.values), stored: gathered(projection.displacedValues), width: width)
        case .attendedValues:
            let distances = absoluteDeviations(
                fresh: gathered(projection.values), stored: gathered(projection.displacedValues), width: width)
            deviations = Dictionary(
                zip(rows.map { projection.slots[$0] }, distances), uniquingKeysWith: { first, _ in first })
            guard let attention = projection.attention, !attention.slots.isEmpty else { return distances }
            let keys = attention.probabilities.count / (attention.slots.count * model.queryHeads)
            let received = attentionReceived(attention.probabilities, heads: model.queryHeads, keys: keys)
            return attendedDeviations(distances, received: rows.map { received[projection.slots[$0]] })
        }
    }

    /// Whether a token is computed whatever it scores: all that is not reused, and the prompt's last one.
    private func isUnreplaceable(_ slot: Int) -> Bool {
        !candidates.contains(slot) || slot == plan.question.upperBound - 1
    }

    /// Whether a token belongs to a reused chunk that the question does not look at.
    private func isLeft(_ slot: Int, by focused: Set<Int>) -> Bool {
        guard slot != plan.question.upperBound - 1 else { return false }
        return plan.reused.indices.contains { !focused.contains($0) && plan.reused[$0].slots.contains(slot) }
    }
}
