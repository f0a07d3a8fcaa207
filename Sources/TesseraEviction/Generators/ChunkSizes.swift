// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// How large generated objects are, and what computing them takes. Both are a function of an object's number.
public enum ChunkSizes: String, Sendable, CaseIterable {
    /// All objects have 1 byte and cost 1.
    case unit
    /// Chunks of 64 to 512 tokens, KV at Llama-3.2-1B's shape (32 KiB a token), computed at 150 tokens a second on two cores
    /// and more slowly the more keys a token sees.
    case chunks

    private static let bytesPerToken = 32 << 10
    private static let tokensPerSecond = 150.0
    /// The keys that cost a token as much as its products with the weights.
    private static let keysPerToken = 16384.0

    /// An object of a number.
    ///
    /// - Parameter salt: Tells apart the objects of several generators.
    func object(_ number: Int, salt: UInt64 = 0, namespace: Int = 0) -> CachedObject {
        var random = SplitMix64(seed: salt &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15)
        let key = ObjectKey(random.next())
        guard self == .chunks else { return CachedObject(key: key, bytes: 1, cost: 1, namespace: namespace) }
        let tokens = 64 + Int(random.next() % 449)
        let seconds = Double(tokens) / Self.tokensPerSecond * (1 + Double(tokens) / 2 / Self.keysPerToken)
        return CachedObject(key: key, bytes: tokens * Self.bytesPerToken, cost: seconds, namespace: namespace)
    }
}
