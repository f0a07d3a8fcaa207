// SPDX-License-Identifier: Apache-2.0
#ifndef CK_CPU_H
#define CK_CPU_H

/// Instruction sets that kernels are written for, each including those before it.
typedef enum ck_isa {
    CK_ISA_SCALAR = 0,
    CK_ISA_AVX2 = 1,         // AVX2, FMA, F16C
    CK_ISA_AVX512 = 2,       // F, BW, DQ, VL
    CK_ISA_AVX512_BF16 = 3,  // and the BF16 dot product
} ck_isa;

/// The best instruction set of this processor.
ck_isa ck_isa_detected(void);

/// The instruction set that kernels use: the detected one, or the lower one that ck_isa_limit set.
ck_isa ck_isa_active(void);

/// Lowers the instruction set that kernels use, for tests and reproducible profiles. A set above the detected one is
/// clamped to it. Not meant to be called while kernels run.
void ck_isa_limit(ck_isa isa);

/// The name of an instruction set, such as "avx2".
const char *ck_isa_name(ck_isa isa);

#endif
