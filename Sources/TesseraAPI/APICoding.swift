// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// How the types of this target become JSON. Names are in snake case, as OpenAI's clients write them; each type states its
/// own, which takes less time than having them converted.
public enum APICoding {
    /// A new encoder. Nothing that is nil is written.
    public static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return encoder
    }

    /// A new decoder. Fields that it does not know are passed over.
    public static var decoder: JSONDecoder { JSONDecoder() }

    /// The ones of the server's many requests, which nobody changes.
    package static let sharedEncoder = encoder
    package static let sharedDecoder = decoder
}
