// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// The precision of an engine's products, and the steps that prepare a product's left side in it.
enum EnginePrecision: String, Sendable {
    case bf16, fp32

    /// Bytes of one number on the left side of a product.
    var byteCount: Int { self == .bf16 ? 2 : 4 }

    /// The form that attention kernels compute in.
    var kernel: ck_precision { self == .bf16 ? CK_BF16 : CK_FP32 }

    /// A row's RMS norm.
    func norm(
        _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, epsilon: Float, count: Int,
        into out: UnsafeMutableRawPointer
    ) {
        switch self {
        case .bf16: ck_rms_norm_bf16(x, weight, epsilon, out.assumingMemoryBound(to: UInt16.self), count)
        case .fp32: ck_rms_norm(x, weight, epsilon, out.assumingMemoryBound(to: Float.self), count)
        }
    }

    /// A row's gated activation.
    func swiglu(gate: UnsafePointer<Float>, up: UnsafePointer<Float>, count: Int, into out: UnsafeMutableRawPointer) {
        switch self {
        case .bf16: ck_swiglu_bf16(gate, up, out.assumingMemoryBound(to: UInt16.self), count)
        case .fp32: ck_swiglu(gate, up, out.assumingMemoryBound(to: Float.self), count)
        }
    }

    /// A row as it is.
    func copy(_ x: UnsafePointer<Float>, count: Int, into out: UnsafeMutableRawPointer) {
        switch self {
        case .bf16: ck_narrow_bf16(x, out.assumingMemoryBound(to: UInt16.self), count)
        case .fp32: out.assumingMemoryBound(to: Float.self).update(from: x, count: count)
        }
    }
}
