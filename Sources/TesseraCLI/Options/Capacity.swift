// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraEviction

extension Simulation.Capacity {
    /// A capacity as options state it: `20GB`, or `10%` of all distinct bytes.
    init(argument: String) throws {
        if argument.hasSuffix("%") {
            guard let percent = Double(argument.dropLast()), percent > 0, percent.isFinite else {
                throw ValidationError("a capacity is more than 0 %; \(argument) is not")
            }
            self = .share(percent / 100)
        } else {
            guard let count = ByteCount(argument: argument), count.bytes > 0 else {
                throw ValidationError(
                    "a capacity is a number of bytes above 0, such as 20GB, or a share, such as 10%; \(argument) is not"
                )
            }
            self = .bytes(count.bytes)
        }
    }

    /// Capacities between commas.
    static func list(_ argument: String) throws -> [Simulation.Capacity] {
        try argument.split(separator: ",").map {
            try Simulation.Capacity(argument: $0.trimmingCharacters(in: .whitespaces))
        }
    }
}
