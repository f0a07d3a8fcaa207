// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging

/// Notices and warnings for people, on standard error, one line each.
enum Notices {
    /// For the library's own notices.
    static let logger = Logger(label: "tessera") { _ in StandardErrorHandler() }

    /// Tells the user something.
    static func say(_ text: String) {
        logger.notice("\(text)")
    }

    /// Tells the user how far the search for retrieval heads is.
    static func calibration(_ done: Int) {
        if done % 50 == 0 { say("\(done) questions and answers gone through") }
    }

    /// Tells the user of something that may need looking after.
    static func warn(_ text: String) {
        logger.warning("\(text)")
    }
}

/// Writes log messages without time stamps: a command's user reads them at once.
private struct StandardErrorHandler: LogHandler {
    var logLevel = Logger.Level.notice
    var metadata = Logger.Metadata()

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        Console.tell("tessera: \(event.level): \(event.message)\n")
    }
}
