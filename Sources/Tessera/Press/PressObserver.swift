// SPDX-License-Identifier: Apache-2.0

package import TesseraCompression
package import TesseraKV

/// Sees a prompt through the layers as another observer does, and shows each layer to a press on the way.
///
/// A layer is shown before the next one begins, so that what a press wanted to see is held of one layer at a time.
package final class PressObserver: LayerObserver {
    private let base: (any LayerObserver)?
    private let wanted: PressNeeds
    private let scene: PressScene
    private let buffer: KVBuffer
    private let show: (LayerView) throws(TesseraError) -> Void
    private var view: LayerView?

    /// - Parameters:
    ///   - base: Whom it stands in front of; nil for nobody.
    ///   - needs: What the press wants to see.
    ///   - show: Gets each layer's view.
    package init(
        _ base: (any LayerObserver)?, needs: PressNeeds, scene: PressScene, buffer: KVBuffer,
        show: @escaping (LayerView) throws(TesseraError) -> Void
    ) {
        self.base = base
        wanted = needs
        self.scene = scene
        self.buffer = buffer
        self.show = show
    }

    /// Shows the last layer.
    package func finish() throws(TesseraError) {
        guard var view else { return }
        (view.keys, view.values) = buffer.rows(0..<view.tokens, of: view.layer)
        self.view = nil
        try show(view)
    }

    package func needs(of layer: Int) -> LayerNeeds {
        var needs = base?.needs(of: layer) ?? .nothing
        if wanted.window > 0 { needs.attentionOf = scene.window(wanted.window) }
        if wanted.received { needs.receivedFrom = scene.computed }
        if wanted.queries { needs.queries = true }
        if wanted.norms { needs.residualNorms = true }
        return needs
    }

    package func layerBegins(_ layer: Int) throws(TesseraError) {
        try finish()
        try base?.layerBegins(layer)
    }

    package func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]? {
        var view = scene.view(of: projection.layer)
        (view.queries, view.computed) = (projection.queries, projection.slots)
        if !projection.residualNorms.isEmpty {
            view.norms = Array(repeating: .nan, count: view.tokens)
            for (slot, norm) in zip(projection.slots, projection.residualNorms) { view.norms[slot] = norm }
        }
        self.view = view
        return try base?.select(projection)
    }

    package func layerAttended(_ attention: LayerAttention) throws(TesseraError) {
        view?.window = attention.slots
        view?.attention = attention.probabilities
    }

    package func layerReceived(_ received: LayerReceived) throws(TesseraError) {
        view?.received = received.sums
        view?.receivedFrom = received.slots
    }

    package func layerWeighed(_ masses: LayerMasses) throws(TesseraError) {
        try base?.layerWeighed(masses)
    }
}

/// What all of a press's views of a prompt share.
package struct PressScene: Sendable {
    let model: ModelDescription
    /// The position of each token.
    let positions: [Int32]
    /// The slots that are computed, ascending.
    let computed: [Int]
    /// The tokens that a layer keeps on average.
    let budget: Int
    /// What stands where.
    let segments: [PressSegment]

    /// A scene of its parts.
    package init(
        model: ModelDescription, positions: [Int32], computed: [Int], budget: Int, segments: [PressSegment]
    ) {
        self.model = model
        self.positions = positions
        self.computed = computed
        self.budget = budget
        self.segments = segments
    }

    /// The last tokens of the prompt, as far as they are computed, ascending.
    func window(_ count: Int) -> [Int] {
        let last = positions.count - 1
        return computed.suffix(count).enumerated().filter { index, slot in
            last - slot == min(count, computed.count) - 1 - index
        }.map(\.element)
    }

    /// A view of a layer without keys and values.
    func view(of layer: Int) -> LayerView {
        LayerView(
            layer: layer, queryHeads: model.queryHeads, layout: model.layout, rotary: model.rotary,
            positions: positions, budget: budget, segments: segments, keys: [], values: [])
    }
}
