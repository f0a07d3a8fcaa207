// SPDX-License-Identifier: Apache-2.0
#ifndef CK_ROWS_H
#define CK_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "ck_cpu.h"

#pragma clang assume_nonnull begin

// Kernels over one row of numbers. Any length is allowed, 0 included; no pointer has to be aligned. BF16 is held as the
// upper half of a float and rounded to nearest, ties to even. Outputs do not overlap inputs unless a comment says so.

/// out[i] = x[i] / sqrt(mean(x²) + epsilon) · weight[i]; `out` may be `x`.
void ck_rms_norm(const float *x, const float *weight, float epsilon, float *out, size_t n);
void ck_rms_norm_bf16(const float *x, const float *weight, float epsilon, uint16_t *out, size_t n);

/// out[i] = silu(gate[i]) · up[i], where silu(g) = g / (1 + e^−g); `out` may be `gate` or `up` in the fp32 form.
void ck_swiglu(const float *gate, const float *up, float *out, size_t n);
void ck_swiglu_bf16(const float *gate, const float *up, uint16_t *out, size_t n);

/// Rotates the pairs (2i, 2i + 1), i < pairs, of each head by the angle whose cosine and sine are given, and copies the
/// dimensions behind them. x and out are (head, dimension); `out` may be `x`.
void ck_rope(
    const float *x, const float *cosines, const float *sines, size_t pairs, size_t heads, size_t dimension, float *out);

/// The square root of the sum of squares.
float ck_norm(const float *x, size_t n);

/// fp32 to BF16.
void ck_narrow_bf16(const float *x, uint16_t *out, size_t n);

/// BF16 and Q8_0 to fp32. Q8_0 is blocks of 32 numbers: an fp16 scale, then 32 signed bytes; n is a multiple of 32.
void ck_widen_bf16(const uint16_t *x, float *out, size_t n);
void ck_widen_q8_0(const uint8_t *x, float *out, size_t n);

/// The kernels of one instruction set, for tests.
typedef struct ck_row_kernels {
    float (*sum_of_squares)(const float *x, size_t n);
    void (*rms_norm)(const float *x, const float *weight, float epsilon, float *out, size_t n);
    void (*rms_norm_bf16)(const float *x, const float *weight, float epsilon, uint16_t *out, size_t n);
    void (*swiglu)(const float *gate, const float *up, float *out, size_t n);
    void (*swiglu_bf16)(const float *gate, const float *up, uint16_t *out, size_t n);
    void (*rope)(
        const float *x, const float *cosines, const float *sines, size_t pairs, size_t heads, size_t dimension,
        float *out);
    void (*narrow_bf16)(const float *x, uint16_t *out, size_t n);
    void (*widen_bf16)(const uint16_t *x, float *out, size_t n);
    void (*widen_q8_0)(const uint8_t *x, float *out, size_t n);
} ck_row_kernels;

/// The kernels of an instruction set, which must not be above the detected one.
const ck_row_kernels *ck_row_kernels_of(ck_isa isa);

#pragma clang assume_nonnull end

#endif
