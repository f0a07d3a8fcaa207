// SPDX-License-Identifier: Apache-2.0
//
// The loops are written once, with the read of a number as an argument. They are inlined into one function for each
// storage, where that argument is a constant.
#include "ck_place.h"

#include "ck_cpu.h"
#include "stored.h"

typedef bool place_keys(
    float *out, const ck_stored *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation);
typedef bool place_values(float *out, const ck_stored *in, size_t n);

// A sum of numbers times 0 is 0 if all are finite and NaN otherwise: one operation for each number tells damage.
INLINE void put(float *out, float number, float *check) {
    *out = number;
    *check += number * 0.0f;
}

/// The pairs of one head from `pair` on, and the dimensions that are not rotated from `unrotated` on.
INLINE void head_from(
    float *out, const ck_stored *in, size_t row, size_t column, size_t dim, const float *c, const float *s,
    size_t pair, size_t unrotated, const ck_rotation *rotation, float *check, load_one *load) {
    for (size_t i = pair; i < rotation->pairs; i++) {
        size_t a = rotation->halves ? i : 2 * i, b = rotation->halves ? i + rotation->pairs : 2 * i + 1;
        float x = load(in, row, column + a), y = load(in, row, column + b);
        put(out + column + a, x * c[i] - y * s[i], check);
        put(out + column + b, x * s[i] + y * c[i], check);
    }
    for (size_t d = unrotated; d < dim; d++) put(out + column + d, load(in, row, column + d), check);
}

INLINE bool keys_scalar(
    float *out, const ck_stored *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation,
    load_one *load) {
    float check = 0;
    size_t width = heads * dim;
    for (size_t t = 0; t < tokens; t++)
        for (size_t h = 0; h < heads; h++)
            head_from(
                out + t * width, in, t * width, h * dim, dim, rotation->cosines + t * rotation->pairs,
                rotation->sines + t * rotation->pairs, 0, 2 * rotation->pairs, rotation, &check, load);
    return check == 0;
}

INLINE bool values_scalar(float *out, const ck_stored *in, size_t n, load_one *load) {
    float check = 0;
    for (size_t i = 0; i < n; i++) put(out + i, load(in, 0, i), &check);
    return check == 0;
}

#define STORAGE_SCALAR(name)                                                                                       \
    static bool keys_##name##_scalar(                                                                              \
        float *out, const ck_stored *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation) {   \
        return keys_scalar(out, in, tokens, heads, dim, rotation, one_##name);                                     \
    }                                                                                                              \
    static bool values_##name##_scalar(float *out, const ck_stored *in, size_t n) {                                \
        return values_scalar(out, in, n, one_##name);                                                              \
    }

#if defined(__x86_64__)

// Eight at a time is memory speed already; forms for AVX-512 would not be faster. Nor are stores past the caches, where
// a buffer is new: the operating system has just zeroed its pages in the cache, and what is computed next reads them.

AVX2 INLINE void put_eight(float *out, __m256 numbers, __m256 *check) {
    _mm256_storeu_ps(out, numbers);
    *check = _mm256_fmadd_ps(numbers, _mm256_setzero_ps(), *check);
}

AVX2 INLINE bool all_zero(__m256 check) {
    return _mm256_movemask_ps(_mm256_cmp_ps(check, _mm256_setzero_ps(), _CMP_EQ_OQ)) == 0xff;
}

/// The pairs 2i and 2i + 1 of one head; returns how many it rotated.
AVX2 INLINE size_t interleaved(
    float *out, const ck_stored *in, size_t row, size_t column, const float *c, const float *s, size_t pairs,
    __m256 *check, load_eight *load) {
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    size_t i = 0;
    for (; i + 4 <= pairs; i += 4) {
        __m256 cosine = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(c + i)), twice);
        __m256 sine = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(s + i)), twice);
        __m256 x = load(in, row, column + 2 * i), swapped = _mm256_permute_ps(x, 0xb1);
        put_eight(out + column + 2 * i, _mm256_fmaddsub_ps(x, cosine, _mm256_mul_ps(swapped, sine)), check);
    }
    return i;
}

/// The pairs i and i + pairs of one head; returns how many it rotated.
AVX2 INLINE size_t halves(
    float *out, const ck_stored *in, size_t row, size_t column, const float *c, const float *s, size_t pairs,
    __m256 *check, load_eight *load) {
    size_t i = 0;
    for (; i + 8 <= pairs; i += 8) {
        __m256 cosine = _mm256_loadu_ps(c + i), sine = _mm256_loadu_ps(s + i);
        __m256 x = load(in, row, column + i), y = load(in, row, column + i + pairs);
        put_eight(out + column + i, _mm256_fmsub_ps(x, cosine, _mm256_mul_ps(y, sine)), check);
        put_eight(out + column + i + pairs, _mm256_fmadd_ps(x, sine, _mm256_mul_ps(y, cosine)), check);
    }
    return i;
}

// Tokens and heads in the order of memory, so that each line is written once and whole.
AVX2 INLINE bool keys_avx2(
    float *out, const ck_stored *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation,
    load_eight *load, load_one *one) {
    __m256 check = _mm256_setzero_ps();
    float rest = 0;
    size_t width = heads * dim, pairs = rotation->pairs;
    for (size_t t = 0; t < tokens; t++) {
        const float *c = rotation->cosines + t * pairs, *s = rotation->sines + t * pairs;
        float *to = out + t * width;
        for (size_t h = 0; h < heads; h++) {
            size_t done = rotation->halves
                              ? halves(to, in, t * width, h * dim, c, s, pairs, &check, load)
                              : interleaved(to, in, t * width, h * dim, c, s, pairs, &check, load);
            size_t d = 2 * pairs;
            for (; d + 8 <= dim; d += 8)
                put_eight(to + h * dim + d, load(in, t * width, h * dim + d), &check);
            head_from(to, in, t * width, h * dim, dim, c, s, done, d, rotation, &rest, one);
        }
    }
    return all_zero(check) && rest == 0;
}

AVX2 INLINE bool values_avx2(float *out, const ck_stored *in, size_t n, load_eight *load, load_one *one) {
    __m256 check = _mm256_setzero_ps();
    float rest = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) put_eight(out + i, load(in, 0, i), &check);
    for (; i < n; i++) put(out + i, one(in, 0, i), &rest);
    return all_zero(check) && rest == 0;
}

#define STORAGE_AVX2(name)                                                                                         \
    AVX2 static bool keys_##name##_avx2(                                                                           \
        float *out, const ck_stored *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation) {   \
        return keys_avx2(out, in, tokens, heads, dim, rotation, eight_##name, one_##name);                         \
    }                                                                                                              \
    AVX2 static bool values_##name##_avx2(float *out, const ck_stored *in, size_t n) {                             \
        return values_avx2(out, in, n, eight_##name, one_##name);                                                  \
    }

#else

#define STORAGE_AVX2(name)

#endif

#define STORAGE(name) STORAGE_SCALAR(name) STORAGE_AVX2(name)

STORAGE(f16)
STORAGE(bf16)
STORAGE(f16_planes)
STORAGE(bf16_planes)
STORAGE(q8)
STORAGE(q8_centred)

// In the order of ck_storage.
#define TABLE(kind, set)                                                                                           \
    {                                                                                                              \
        kind##_f16_##set, kind##_bf16_##set, kind##_f16_planes_##set, kind##_bf16_planes_##set, kind##_q8_##set,   \
            kind##_q8_centred_##set                                                                                \
    }

static place_keys *const keys_in_scalar[] = TABLE(keys, scalar);
static place_values *const values_in_scalar[] = TABLE(values, scalar);
#if defined(__x86_64__)
static place_keys *const keys_in_avx2[] = TABLE(keys, avx2);
static place_values *const values_in_avx2[] = TABLE(values, avx2);
#endif

bool ck_place_keys(
    float *out, const ck_stored *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation) {
#if defined(__x86_64__)
    if (ck_isa_active() >= CK_ISA_AVX2) return keys_in_avx2[in->storage](out, in, tokens, heads, dim, rotation);
#endif
    return keys_in_scalar[in->storage](out, in, tokens, heads, dim, rotation);
}

bool ck_place_values(float *out, const ck_stored *in, size_t n) {
#if defined(__x86_64__)
    if (ck_isa_active() >= CK_ISA_AVX2) return values_in_avx2[in->storage](out, in, n);
#endif
    return values_in_scalar[in->storage](out, in, n);
}
