// SPDX-License-Identifier: Apache-2.0

import TesseraAPI
import TesseraClient
import TesseraKV

extension TesseraClient {
    /// The ids of the records whose keys begin with some digits, each with its own.
    func ids(_ keys: [String]) async throws -> [String] {
        var ids: [String] = []
        for digits in keys {
            guard digits.count >= 6, digits.count <= 64, digits.allSatisfy(\.isHexDigit) else {
                throw TesseraError(
                    .invalidInput, "a key is named by 6 to 64 of its hexadecimal digits, not by \(digits)")
            }
            let found = try await chunks(limit: 2, begins: digits)
            guard let id = found.first?.id else {
                throw TesseraError(.notFound, "no record's key begins with \(digits)")
            }
            guard found.count == 1 else {
                throw TesseraError(.invalidInput, "several keys begin with \(digits); name more digits")
            }
            ids.append(id)
        }
        return ids
    }
}
