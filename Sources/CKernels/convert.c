// SPDX-License-Identifier: Apache-2.0
#include "ck_convert.h"

#include "ck_cpu.h"
#include "f16.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static size_t narrow_scalar(uint16_t *out, const float *in, size_t from, size_t n) {
    for (size_t i = from; i < n; i++) {
        out[i] = f16_of_f32(in[i]);
        if ((out[i] & 0x7c00) == 0x7c00) return i;
    }
    return n;
}

static void widen_scalar(float *out, const uint16_t *in, size_t from, size_t n) {
    for (size_t i = from; i < n; i++) out[i] = f32_of_f16(in[i]);
}

#if defined(__x86_64__)
// Eight at a time is memory speed already; a form for AVX-512 would not be faster.
__attribute__((target("avx2,fma,f16c"))) static size_t narrow_avx2(uint16_t *out, const float *in, size_t n) {
    const __m128i exponent = _mm_set1_epi16(0x7c00);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm_storeu_si128((__m128i *)(out + i), half);
        __m128i special = _mm_cmpeq_epi16(_mm_and_si128(half, exponent), exponent);
        if (_mm_movemask_epi8(special)) break;  // the scalar form finds which
    }
    return narrow_scalar(out, in, i, n);
}

__attribute__((target("avx2,fma,f16c"))) static void widen_avx2(float *out, const uint16_t *in, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i))));
    widen_scalar(out, in, i, n);
}
#endif

size_t ck_f16_from_f32(uint16_t *out, const float *in, size_t n) {
#if defined(__x86_64__)
    if (ck_isa_active() >= CK_ISA_AVX2) return narrow_avx2(out, in, n);
#endif
    return narrow_scalar(out, in, 0, n);
}

void ck_f32_from_f16(float *out, const uint16_t *in, size_t n) {
#if defined(__x86_64__)
    if (ck_isa_active() >= CK_ISA_AVX2) {
        widen_avx2(out, in, n);
        return;
    }
#endif
    widen_scalar(out, in, 0, n);
}

// In plain C: a chunk is narrowed once, in far less time than its prefill takes.
size_t ck_bf16_from_f32(uint16_t *out, const float *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[i] = bf16_of_f32(in[i]);
        if ((out[i] & 0x7f80) == 0x7f80) return i;
    }
    return n;
}

void ck_split_planes(uint8_t *low, uint8_t *high, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        low[i] = in[2 * i];
        high[i] = in[2 * i + 1];
    }
}

void ck_join_planes(uint8_t *out, const uint8_t *low, const uint8_t *high, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = low[i];
        out[2 * i + 1] = high[i];
    }
}
