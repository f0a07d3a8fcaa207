// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// How the types of this target become JSON. Names are in snake case, as OpenAI's clients write them; each type states its
/// own, which takes less time than having them converted.
public enum APICoding {
    /// The encoder. Nothing that is nil is written.
    public static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return encoder
    }()

    /// The decoder. Fields that it does not know are passed over, but in objects of Tessera's own.
    public static let decoder = JSONDecoder()
}
