// SPDX-License-Identifier: Apache-2.0
#include "ck_place.h"

#include "ck_cpu.h"
#include "f16.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// One token's keys: `heads` rows of `dim` numbers, `c` and `s` of `pairs` each.
typedef void place_token(float *out, const uint16_t *in, size_t heads, size_t dim, const float *c, const float *s,
                         size_t pairs);

static void rotate_scalar(float *out, const uint16_t *in, size_t a, size_t b, float c, float s) {
    float x = f32_of_f16(in[a]), y = f32_of_f16(in[b]);
    out[a] = x * c - y * s;
    out[b] = x * s + y * c;
}

static void copy_tail(float *out, const uint16_t *in, size_t from, size_t dim) {
    for (size_t d = from; d < dim; d++) out[d] = f32_of_f16(in[d]);
}

static void interleaved_scalar(float *out, const uint16_t *in, size_t heads, size_t dim, const float *c,
                               const float *s, size_t pairs) {
    for (size_t h = 0; h < heads; h++, out += dim, in += dim) {
        for (size_t i = 0; i < pairs; i++) rotate_scalar(out, in, 2 * i, 2 * i + 1, c[i], s[i]);
        copy_tail(out, in, 2 * pairs, dim);
    }
}

static void halves_scalar(float *out, const uint16_t *in, size_t heads, size_t dim, const float *c, const float *s,
                          size_t pairs) {
    for (size_t h = 0; h < heads; h++, out += dim, in += dim) {
        for (size_t i = 0; i < pairs; i++) rotate_scalar(out, in, i, i + pairs, c[i], s[i]);
        copy_tail(out, in, 2 * pairs, dim);
    }
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma,f16c"))) static void interleaved_avx2(float *out, const uint16_t *in, size_t heads,
                                                                      size_t dim, const float *c, const float *s,
                                                                      size_t pairs) {
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    size_t i = 0;
    for (; i + 4 <= pairs; i += 4) {
        __m256 cosine = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(c + i)), twice);
        __m256 sine = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(s + i)), twice);
        for (size_t h = 0; h < heads; h++) {
            size_t at = h * dim + 2 * i;
            __m256 x = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + at)));
            __m256 swapped = _mm256_permute_ps(x, 0xb1);
            _mm256_storeu_ps(out + at, _mm256_fmaddsub_ps(x, cosine, _mm256_mul_ps(swapped, sine)));
        }
    }
    for (size_t h = 0; h < heads; h++) {
        for (size_t j = i; j < pairs; j++) rotate_scalar(out + h * dim, in + h * dim, 2 * j, 2 * j + 1, c[j], s[j]);
        copy_tail(out + h * dim, in + h * dim, 2 * pairs, dim);
    }
}

__attribute__((target("avx2,fma,f16c"))) static void halves_avx2(float *out, const uint16_t *in, size_t heads,
                                                                 size_t dim, const float *c, const float *s,
                                                                 size_t pairs) {
    size_t i = 0;
    for (; i + 8 <= pairs; i += 8) {
        __m256 cosine = _mm256_loadu_ps(c + i), sine = _mm256_loadu_ps(s + i);
        for (size_t h = 0; h < heads; h++) {
            size_t at = h * dim + i;
            __m256 x = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + at)));
            __m256 y = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + at + pairs)));
            _mm256_storeu_ps(out + at, _mm256_fmsub_ps(x, cosine, _mm256_mul_ps(y, sine)));
            _mm256_storeu_ps(out + at + pairs, _mm256_fmadd_ps(x, sine, _mm256_mul_ps(y, cosine)));
        }
    }
    for (size_t h = 0; h < heads; h++) {
        for (size_t j = i; j < pairs; j++) rotate_scalar(out + h * dim, in + h * dim, j, j + pairs, c[j], s[j]);
        copy_tail(out + h * dim, in + h * dim, 2 * pairs, dim);
    }
}

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void interleaved_avx512(
    float *out, const uint16_t *in, size_t heads, size_t dim, const float *c, const float *s, size_t pairs) {
    if (pairs % 8 != 0) {
        interleaved_avx2(out, in, heads, dim, c, s, pairs);
        return;
    }
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    for (size_t i = 0; i < pairs; i += 8) {
        __m512 cosine = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(c + i)));
        __m512 sine = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(s + i)));
        for (size_t h = 0; h < heads; h++) {
            size_t at = h * dim + 2 * i;
            __m512 x = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(in + at)));
            __m512 swapped = _mm512_permute_ps(x, 0xb1);
            _mm512_storeu_ps(out + at, _mm512_fmaddsub_ps(x, cosine, _mm512_mul_ps(swapped, sine)));
        }
    }
    for (size_t h = 0; h < heads; h++) copy_tail(out + h * dim, in + h * dim, 2 * pairs, dim);
}

#endif

static place_token *chosen(bool halves) {
#if defined(__x86_64__)
    ck_isa isa = ck_isa_active();
    if (isa >= CK_ISA_AVX512 && !halves) return interleaved_avx512;
    if (isa >= CK_ISA_AVX2) return halves ? halves_avx2 : interleaved_avx2;
#endif
    return halves ? halves_scalar : interleaved_scalar;
}

void ck_place_keys_f16(float *out, const uint16_t *in, size_t tokens, size_t heads, size_t dim, const float *cosines,
                       const float *sines, size_t pairs, bool halves) {
    place_token *place = chosen(halves);
    for (size_t t = 0; t < tokens; t++) {
        size_t row = t * heads * dim;
        place(out + row, in + row, heads, dim, cosines + t * pairs, sines + t * pairs, pairs);
    }
}
