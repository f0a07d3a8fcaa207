// SPDX-License-Identifier: Apache-2.0

internal import CZstd

/// The codecs that a store can keep its records in, by their names.
///
/// ``LowRankCodec`` is not among them: it needs a basis of its model.
///
/// A record's header names its codec, so records of several codecs can lie side by side:
///
/// ```swift
/// let encoder = StoreCodec.q8.codec
/// let decoder = StoreCodec.codec(named: header.codec)
/// ```
public enum StoreCodec: String, Sendable, CaseIterable {
    /// IEEE half precision.
    case fp16
    /// bfloat16.
    case bf16
    /// IEEE half precision, compressed without loss.
    case fp16Zstd = "fp16-zstd"
    /// bfloat16, compressed without loss.
    case bf16Zstd = "bf16-zstd"
    /// Bytes with a scale for each 32.
    case q8
    /// Keys as bytes, values at 4 bits.
    case k8v4
    /// Keys and values at 4 bits.
    case q4
    /// Keys and values at 4 bits where tokens matter and at 2 elsewhere.
    case zipcache

    /// The names of all, in the order of declaration.
    public static var names: [String] { allCases.map(\.rawValue) }

    /// The codec of a name, or `nil` if this build knows none.
    public static func codec(named name: String) -> (any KVCodec)? {
        StoreCodec(rawValue: name)?.codec
    }

    /// The version of the library that compresses records.
    package static var zstdVersion: String { String(cString: ZSTD_versionString()) }

    /// Whether its numbers are those that were computed, rounded to 16 bits at most: what another codec may be made of. A
    /// chunk is never encoded from a copy with losses.
    package var isFaithful: Bool {
        switch self {
        case .fp16, .bf16, .fp16Zstd, .bf16Zstd: true
        case .q8, .k8v4, .q4, .zipcache: false
        }
    }

    /// The codec itself, of the same name.
    public var codec: any KVCodec {
        switch self {
        case .fp16: HalfCodec(.fp16)
        case .bf16: HalfCodec(.bf16)
        case .fp16Zstd: ZstdCodec(.fp16)
        case .bf16Zstd: ZstdCodec(.bf16)
        case .q8: Q8Codec()
        case .k8v4: K8V4Codec()
        case .q4: Q4Codec()
        case .zipcache: ZipCacheCodec()
        }
    }
}
