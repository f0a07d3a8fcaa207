// SPDX-License-Identifier: Apache-2.0

/// A request to `/v1/stitch`: a prompt's stored KV, as a file that the client maps.
public struct StitchRequest: Codable, Sendable, Equatable, ClosedFields {
    /// The prompt in order.
    public var segments: [PromptSegment]
    /// How its KV is to come about.
    public var tessera: ReuseOptions?
    /// The runtime whose imported KV is wanted; nil for what the server's own engine made.
    public var producer: String?
    /// What becomes of chunks that are not stored: `leave` (the default; the runtime computes them), `compute` (the
    /// server's engine encodes them first) or `refuse`.
    public var missing: String?
    /// How the numbers lie in the file.
    public var format: KVFormat?
    /// Seconds until the lease ends unless it is renewed.
    public var seconds: Double?

    /// Makes a request of its parts.
    public init(
        segments: [PromptSegment], tessera: ReuseOptions? = nil, producer: String? = nil, missing: String? = nil,
        format: KVFormat? = nil, seconds: Double? = nil
    ) {
        self.segments = segments
        self.tessera = tessera
        self.producer = producer
        self.missing = missing
        self.format = format
        self.seconds = seconds
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case segments, tessera, producer, missing, format, seconds
    }

    package static let fieldNames = CodingKeys.names
}

/// How keys and values lie in a file. Whatever is nil is the default.
public struct KVFormat: Codable, Sendable, Equatable, ClosedFields {
    /// `F16` (the default), `BF16` or `F32`.
    public var dtype: String?
    /// `token` for arrays of shape (token, head, dimension), the default; `head` for (head, token, dimension).
    public var order: String?
    /// `applied` for keys that are turned to their positions, the default; `none` for keys before RoPE.
    public var rope: String?
    /// Which two dimensions of a head are turned together: `interleaved` as in GGUF files, or `halves` as in most
    /// checkpoints. By default the model file's.
    public var pairing: String?

    /// Makes a format of its parts.
    public init(dtype: String? = nil, order: String? = nil, rope: String? = nil, pairing: String? = nil) {
        self.dtype = dtype
        self.order = order
        self.rope = rope
        self.pairing = pairing
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case dtype, order, rope, pairing }

    package static let fieldNames = CodingKeys.names
}

/// A prompt's KV that is held in shared memory for a client.
public struct Lease: Codable, Sendable, Equatable {
    /// Its id.
    public var id: String
    /// The file, in safetensors form: `layers.N.keys` and `layers.N.values`, a row for each token of the prompt. Rows of
    /// tokens that are to be computed are zero.
    public var path: String
    /// The file's size.
    public var bytes: Int
    /// When it ends unless it is renewed, in seconds since 1970.
    public var expires: Double
    /// The positions whose rows hold stored KV, as pairs of the first and the one behind the last.
    public var valid: [[Int]]?
    /// What to do with the prompt.
    public var plan: Plan?

    /// Makes a lease of its parts.
    public init(id: String, path: String, bytes: Int, expires: Double, valid: [[Int]]? = nil, plan: Plan? = nil) {
        self.id = id
        self.path = path
        self.bytes = bytes
        self.expires = expires
        self.valid = valid
        self.plan = plan
    }
}

/// A request to renew a lease.
public struct RenewRequest: Codable, Sendable, Equatable, ClosedFields {
    /// Seconds from now until it ends.
    public var seconds: Double?

    /// Makes a request.
    public init(seconds: Double? = nil) {
        self.seconds = seconds
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case seconds }

    package static let fieldNames = CodingKeys.names
}
