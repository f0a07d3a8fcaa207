// SPDX-License-Identifier: Apache-2.0

/// What tells a series from all others: its metric's name, and its labels.
struct SeriesID: Sendable {
    let name: String
    let labels: LabelSet
}
