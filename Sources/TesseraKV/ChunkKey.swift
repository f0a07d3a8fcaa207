// SPDX-License-Identifier: Apache-2.0

/// The name of a stored KV: a digest of fingerprint, namespace and token ids.
///
/// It is never taken of text, because the same text may be tokenised in several ways, and never chained to what came
/// before, because a chunk is looked up wherever it stands.
public struct ChunkKey: Sendable, Hashable, CustomStringConvertible {
    /// The digest itself.
    public let digest: Digest256

    /// Takes a key that was stored before.
    public init(digest: Digest256) {
        self.digest = digest
    }

    /// The key of a chunk's isolated variant.
    ///
    /// - Parameters:
    ///   - fingerprint: The digest of the model's fingerprint.
    ///   - namespace: The tenant scope; chunks of two namespaces never share a key.
    ///   - tokens: The ids of the chunk alone, without the recipe's prefix.
    public init(fingerprint: Digest256, namespace: String, chunk tokens: [TokenID]) {
        self.init(kind: "chunk", fingerprint, namespace, tokens)
    }

    /// The key of a prefix record: a prompt's leading run at positions 0 … n−1.
    ///
    /// - Parameters:
    ///   - fingerprint: The digest of the model's fingerprint.
    ///   - namespace: The tenant scope.
    ///   - tokens: The whole run of ids from position 0.
    public init(fingerprint: Digest256, namespace: String, prefix tokens: [TokenID]) {
        self.init(kind: "prefix", fingerprint, namespace, tokens)
    }

    /// The key of a contextual variant: a chunk's KV as it was captured behind named other chunks.
    ///
    /// - Parameters:
    ///   - fingerprint: The digest of the model's fingerprint.
    ///   - namespace: The tenant scope.
    ///   - tokens: The ids of the chunk alone.
    ///   - behind: The isolated keys of the chunks that stood before it, in the order of the prompt.
    public init(fingerprint: Digest256, namespace: String, chunk tokens: [TokenID], behind: [ChunkKey]) {
        var digester = Self.digester(kind: "variant", fingerprint, namespace, tokens)
        digester.add(behind.count)
        for key in behind { digester.add(key.digest) }
        digest = digester.digest()
    }

    private init(kind: String, _ fingerprint: Digest256, _ namespace: String, _ tokens: [TokenID]) {
        digest = Self.digester(kind: kind, fingerprint, namespace, tokens).digest()
    }

    private static func digester(
        kind: String, _ fingerprint: Digest256, _ namespace: String, _ tokens: [TokenID]
    ) -> Digester {
        var digester = Digester()
        digester.add(kind)
        digester.add(fingerprint)
        digester.add(namespace)
        digester.add(tokens)
        return digester
    }

    /// 64 lower-case hexadecimal digits.
    public var description: String { digest.description }
}
