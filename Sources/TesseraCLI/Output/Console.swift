// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV

/// What a command prints.
enum Console {
    /// Writes text to standard output as it is.
    ///
    /// - Throws: ``TesseraError`` of code `io` or `full` where it can't be written: a result that got lost is a failure.
    static func write(_ text: String) throws(TesseraError) {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        } catch {
            throw TesseraError(.io, "can't write to standard output: \(error.localizedDescription)")
        }
    }

    /// Writes a line to standard output.
    static func line(_ text: String) throws(TesseraError) {
        try write(text + "\n")
    }

    /// Writes text to standard error. Where that is closed or full, nobody listens, and the work goes on.
    static func tell(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}
