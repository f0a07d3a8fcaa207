// SPDX-License-Identifier: Apache-2.0
//
// Reads of stored numbers, one form for each ck_storage: single, and eight at a time.
#ifndef CK_STORED_H
#define CK_STORED_H

#include "ck_place.h"
#include "f16.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

/// The number in a column of the row that begins at number `row`.
typedef float load_one(const ck_stored *in, size_t row, size_t column);

// Records may begin at any address, so 16-bit numbers are copied out.
INLINE uint16_t half_at(const void *numbers, size_t i) {
    uint16_t half;
    memcpy(&half, (const uint8_t *)numbers + 2 * i, sizeof half);
    return half;
}

INLINE uint16_t joined_at(const ck_stored *in, size_t i) {
    return (uint16_t)(((const uint8_t *)in->high)[i] << 8 | ((const uint8_t *)in->numbers)[i]);
}

INLINE float one_f16(const ck_stored *in, size_t row, size_t column) {
    return f32_of_f16(half_at(in->numbers, row + column));
}

INLINE float one_bf16(const ck_stored *in, size_t row, size_t column) {
    return f32_of_bf16(half_at(in->numbers, row + column));
}

INLINE float one_f16_planes(const ck_stored *in, size_t row, size_t column) {
    return f32_of_f16(joined_at(in, row + column));
}

INLINE float one_bf16_planes(const ck_stored *in, size_t row, size_t column) {
    return f32_of_bf16(joined_at(in, row + column));
}

INLINE float one_q8(const ck_stored *in, size_t row, size_t column) {
    size_t i = row + column;
    return f32_of_f16(half_at(in->scales, i / 32)) * (float)((const int8_t *)in->numbers)[i];
}

INLINE float one_q8_centred(const ck_stored *in, size_t row, size_t column) {
    return one_q8(in, row, column) + f32_of_f16(half_at(in->means, column));
}

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2,fma,f16c")))

/// The numbers in eight columns that follow each other.
typedef __m256 load_eight(const ck_stored *in, size_t row, size_t column);

AVX2 INLINE __m128i halves_at(const void *numbers, size_t i) {
    return _mm_loadu_si128((const __m128i *)((const uint8_t *)numbers + 2 * i));
}

AVX2 INLINE __m128i joined_eight(const ck_stored *in, size_t i) {
    __m128i low = _mm_loadl_epi64((const __m128i *)((const uint8_t *)in->numbers + i));
    __m128i high = _mm_loadl_epi64((const __m128i *)((const uint8_t *)in->high + i));
    return _mm_unpacklo_epi8(low, high);
}

AVX2 INLINE __m256 widened_bf16(__m128i halves) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

AVX2 INLINE __m256 eight_f16(const ck_stored *in, size_t row, size_t column) {
    return _mm256_cvtph_ps(halves_at(in->numbers, row + column));
}

AVX2 INLINE __m256 eight_bf16(const ck_stored *in, size_t row, size_t column) {
    return widened_bf16(halves_at(in->numbers, row + column));
}

AVX2 INLINE __m256 eight_f16_planes(const ck_stored *in, size_t row, size_t column) {
    return _mm256_cvtph_ps(joined_eight(in, row + column));
}

AVX2 INLINE __m256 eight_bf16_planes(const ck_stored *in, size_t row, size_t column) {
    return widened_bf16(joined_eight(in, row + column));
}

AVX2 INLINE __m256 scale_at(const ck_stored *in, size_t block) {
    return _mm256_cvtph_ps(_mm_set1_epi16((short)half_at(in->scales, block)));
}

AVX2 INLINE __m256 eight_q8(const ck_stored *in, size_t row, size_t column) {
    size_t i = row + column, left = 32 - i % 32;
    __m256 scale = scale_at(in, i / 32);
    if (left < 8) {  // only in rows of an odd width: the last lanes are of the next block
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        __m256i own = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)left), lane);
        scale = _mm256_blendv_ps(scale_at(in, i / 32 + 1), scale, _mm256_castsi256_ps(own));
    }
    __m128i bytes = _mm_loadl_epi64((const __m128i *)((const int8_t *)in->numbers + i));
    return _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
}

AVX2 INLINE __m256 eight_q8_centred(const ck_stored *in, size_t row, size_t column) {
    return _mm256_add_ps(eight_q8(in, row, column), _mm256_cvtph_ps(halves_at(in->means, column)));
}

#endif

#endif
