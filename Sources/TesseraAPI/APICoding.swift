// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// How the types of this target become JSON: names in snake case, as OpenAI's clients write them.
public enum APICoding {
    /// A new encoder. Nothing that is nil is written.
    public static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return encoder
    }

    /// A new decoder. Fields that it does not know are passed over.
    public static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}
