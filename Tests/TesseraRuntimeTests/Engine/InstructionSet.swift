// SPDX-License-Identifier: Apache-2.0

import CKernels
import Testing

/// An instruction set that this processor has.
struct InstructionSet: CustomTestStringConvertible, Sendable {
    let isa: ck_isa

    var testDescription: String { String(cString: ck_isa_name(isa)) }
    var rows: ck_row_kernels { ck_row_kernels_of(isa).pointee }

    static let all = (0...ck_isa_detected().rawValue).map { InstructionSet(isa: ck_isa(rawValue: $0)) }
}
