// SPDX-License-Identifier: Apache-2.0

import TesseraKV

/// Writes down what it sees, and narrows or throws where it is told to.
final class Recorder: LayerObserver {
    var needs = LayerNeeds.nothing
    var selections: [Int: [Int]] = [:]
    var failure: TesseraError?
    var events: [String] = []
    var projections: [LayerProjection] = []
    var attentions: [LayerAttention] = []
    var masses: [LayerMasses] = []
    var received: [LayerReceived] = []
    var ablations: [LayerAblation] = []
    /// Called with each projection, before the selection.
    var onSelect: (LayerProjection) -> Void = { _ in }

    func needs(of layer: Int) -> LayerNeeds {
        events.append("needs \(layer)")
        return needs
    }

    func layerBegins(_ layer: Int) throws(TesseraError) {
        events.append("begins \(layer)")
        if layer == 1, let failure { throw failure }
    }

    func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]? {
        events.append("select \(projection.layer)")
        projections.append(projection)
        onSelect(projection)
        return selections[projection.layer]
    }

    func layerAttended(_ attention: LayerAttention) throws(TesseraError) {
        events.append("attended \(attention.layer)")
        attentions.append(attention)
    }

    func layerReceived(_ received: LayerReceived) throws(TesseraError) {
        events.append("received \(received.layer)")
        self.received.append(received)
    }

    func layerAblated(_ ablation: LayerAblation) throws(TesseraError) {
        events.append("ablated \(ablation.layer)")
        ablations.append(ablation)
    }

    func layerWeighed(_ masses: LayerMasses) throws(TesseraError) {
        events.append("weighed \(masses.layer)")
        self.masses.append(masses)
    }
}
