// SPDX-License-Identifier: Apache-2.0
#include "ck_rows.h"

#include <math.h>
#include <string.h>

#include "ck_cpu.h"
#include "f16.h"

#define INLINE static inline __attribute__((always_inline))

// e^x with a relative error below 3e-7, clamped where the result would leave the normal numbers.
INLINE float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    float f = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * (f * f) + f + 1;
    return p * f32_of_bits((uint32_t)((int32_t)n + 127) << 23);
}

// The reference sums in order; the vector forms sum in as many strands as the compiler finds best.
static float sum_of_squares_scalar(const float *x, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sum;
}

#define KERNEL(name) name##_scalar
#include "rows.inc"
#undef KERNEL

#if defined(__x86_64__)

#define SUM_OF_SQUARES                                            \
    static float KERNEL(sum_of_squares)(const float *x, size_t n) { \
        _Pragma("clang fp reassociate(on)") float sum = 0;        \
        for (size_t i = 0; i < n; i++) sum += x[i] * x[i];        \
        return sum;                                               \
    }

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define KERNEL(name) name##_avx2
SUM_OF_SQUARES
#include "rows.inc"
#undef KERNEL
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define KERNEL(name) name##_avx512
SUM_OF_SQUARES
#include "rows.inc"
#undef KERNEL
#pragma clang attribute pop

#endif

const ck_row_kernels *ck_row_kernels_of(ck_isa isa) {
#if defined(__x86_64__)
    switch (isa) {
    case CK_ISA_SCALAR: return &kernels_scalar;
    case CK_ISA_AVX2: return &kernels_avx2;
    case CK_ISA_AVX512:
    case CK_ISA_AVX512_BF16: return &kernels_avx512;
    }
#endif
    (void)isa;
    return &kernels_scalar;
}

static const ck_row_kernels *kernels(void) { return ck_row_kernels_of(ck_isa_active()); }

void ck_rms_norm(const float *x, const float *weight, float epsilon, float *out, size_t n) {
    kernels()->rms_norm(x, weight, epsilon, out, n);
}

void ck_rms_norm_bf16(const float *x, const float *weight, float epsilon, uint16_t *out, size_t n) {
    kernels()->rms_norm_bf16(x, weight, epsilon, out, n);
}

void ck_swiglu(const float *gate, const float *up, float *out, size_t n) { kernels()->swiglu(gate, up, out, n); }

void ck_swiglu_bf16(const float *gate, const float *up, uint16_t *out, size_t n) {
    kernels()->swiglu_bf16(gate, up, out, n);
}

void ck_rope(
    const float *x, const float *cosines, const float *sines, size_t pairs, size_t heads, size_t dimension,
    float *out) {
    kernels()->rope(x, cosines, sines, pairs, heads, dimension, out);
}

float ck_norm(const float *x, size_t n) { return sqrtf(kernels()->sum_of_squares(x, n)); }

void ck_narrow_bf16(const float *x, uint16_t *out, size_t n) { kernels()->narrow_bf16(x, out, n); }

void ck_widen_bf16(const uint16_t *x, float *out, size_t n) { kernels()->widen_bf16(x, out, n); }

void ck_widen_q8_0(const uint8_t *x, float *out, size_t n) { kernels()->widen_q8_0(x, out, n); }
