// SPDX-License-Identifier: Apache-2.0

/// A metric of any kind, as the registry sees it when it renders.
protocol RenderedFamily: AnyObject, Sendable {
    /// Writes the metric's header and all its series, in the order of their labels.
    func render(into exposition: inout Exposition)
}
