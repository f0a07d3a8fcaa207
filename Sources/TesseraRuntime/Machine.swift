// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import COneDNN
internal import COpenBLAS

/// What the engine finds on this machine.
package enum Machine {
    /// The instruction set that the kernels use.
    package static var kernels: String { String(cString: ck_isa_name(ck_isa_active())) }

    /// OpenBLAS's own account of itself: version, options and processor.
    package static var openBLAS: String { String(cString: openblas_get_config()) }

    /// oneDNN's version.
    package static var oneDNN: String {
        guard let version = dnnl_version()?.pointee else { return "?" }
        return "\(version.major).\(version.minor).\(version.patch)"
    }
}
