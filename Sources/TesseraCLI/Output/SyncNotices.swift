// SPDX-License-Identifier: Apache-2.0

import TesseraRetrieval

/// Says what an index update did, as far as someone may want to act on it.
func notice(_ report: SyncReport) {
    if let reason = report.rebuilt { Notices.say("the text index is made anew: \(reason)") }
    for skipped in report.skipped.prefix(10) {
        Notices.warn("skipped \(skipped.path): \(skipped.reason)")
    }
    if report.skipped.count > 10 {
        Notices.warn("skipped \(report.skipped.count - 10) more files")
    }
}
