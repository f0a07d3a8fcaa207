// SPDX-License-Identifier: Apache-2.0

/// What the codecs have to say, said in one way.
extension TesseraError {
    /// A number that a codec can't keep.
    static func unkeepable(token: Int, codec: String, limit: String) -> TesseraError {
        TesseraError(
            .invalidInput,
            "token \(token) has a key or value that is not finite or beyond \(codec)'s range (\(limit)); it can't be kept"
        )
    }

    /// A record whose size or structure is not that of its tokens.
    static func misfit(_ size: Int, tokens: Int, codec: String) -> TesseraError {
        TesseraError(.corrupt, "a layer record of \(size) bytes is not one of \(tokens) tokens in \(codec)")
    }

    /// A record that no codec would have made of finite numbers.
    static var notFinite: TesseraError {
        TesseraError(.corrupt, "a layer record holds numbers that are not finite")
    }

    /// A record of a newer format than this build's.
    static func newer(_ version: UInt8, than known: UInt8, codec: String) -> TesseraError {
        TesseraError(
            .unsupported,
            "a layer record in \(codec) is of version \(version), and this build reads version \(known); "
                + "read it with the build that wrote it, or encode the chunk again")
    }
}
