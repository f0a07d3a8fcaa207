// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import TesseraKV

/// Files with one JSON object a line.
package enum JSONLines {
    /// The values of a file with their line numbers, from 1; lines of white space are passed over.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the file, the line and what is wrong with it.
    package static func read<Value: Decodable>(
        _ type: Value.Type, of text: String, named name: String
    ) throws(TesseraError) -> [(number: Int, value: Value)] {
        let decoder = JSONDecoder()
        var values: [(number: Int, value: Value)] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .enumerated()
        where !line.allSatisfy(\.isWhitespace) {
            do {
                values.append((index + 1, try decoder.decode(type, from: Data(line.utf8))))
            } catch {
                throw TesseraError(
                    .invalidInput, "\(name), line \(index + 1), is not what it should be: \(reason(error))")
            }
        }
        return values
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "it has no \"\(key.stringValue)\""
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            (context.codingPath.isEmpty ? "it" : context.codingPath.map(\.stringValue).joined(separator: "."))
                + " is of another type"
        default: "it is no JSON object"
        }
    }
}
