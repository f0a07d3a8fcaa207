// SPDX-License-Identifier: Apache-2.0

/// Token ids as they are read: number by number.
///
/// An array decodes its elements as whatever they may be, which takes several times as long, and prompts have thousands of
/// them.
struct TokenIDs: Decodable {
    var ids: [Int32] = []

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        ids.reserveCapacity(container.count ?? 0)
        while !container.isAtEnd { ids.append(try container.decode(Int32.self)) }
    }
}
