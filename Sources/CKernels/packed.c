// SPDX-License-Identifier: Apache-2.0
//
// Placing of numbers of few bits. A row is decoded into its place and rotated there while it is in the nearest cache.
// Single numbers are read here; packed.inc has the loops, written once over reads of sixteen numbers, which the
// compiler makes of two AVX2 registers or one of AVX-512. No multiplication is fused with an addition, except of
// coefficients with their basis: every instruction set gives the same bits.
#include "ck_packed.h"

#include "ck_cpu.h"
#include "hadamard.h"
#include "stored.h"

#pragma STDC FP_CONTRACT OFF

INLINE unsigned number_at(const uint8_t *row, unsigned bits, size_t i) {
    size_t each = 8 / bits;
    return row[i / each] >> bits * (i % each) & ((1u << bits) - 1);
}

INLINE float half_number(const void *halves, size_t i) { return f32_of_f16(half_at(halves, i)); }

/// The pairs of one head from `pair` on.
INLINE void turn_from(float *x, const float *c, const float *s, size_t pair, const ck_rotation *rotation) {
    for (size_t i = pair; i < rotation->pairs; i++) {
        size_t a = rotation->halves ? i : 2 * i, b = rotation->halves ? i + rotation->pairs : 2 * i + 1;
        float u = x[a], v = x[b];
        x[a] = u * c[i] - v * s[i];
        x[b] = u * s[i] + v * c[i];
    }
}

INLINE float mixed_at(
    const ck_mixed *in, const uint8_t *row, unsigned fine, size_t token, size_t column) {
    float number = (float)number_at(row, fine ? 4 : 2, column);
    if (in->channels)
        return (number * half_number(in->row_scales, token) + half_number(in->row_leasts, token)) *
               in->channels[column];
    return number * in->column_scales[fine][column] + in->column_leasts[fine][column];
}

/// A head of some tokens from dimension `d` on.
INLINE void expand_from(
    float *out, size_t width, const float *coefficients, size_t total, size_t rank, const float *basis,
    const float *means, size_t dim, size_t tokens, size_t d) {
    for (; d < dim; d++)
        for (size_t t = 0; t < tokens; t++) {
            float sum = means[d];
            for (size_t r = 0; r < rank; r++) sum += coefficients[t * total + r] * basis[r * dim + d];
            out[t * width + d] = sum;
        }
}

INLINE unsigned is_salient(const ck_mixed *in, size_t token) { return in->salient[token / 8] >> token % 8 & 1; }

#define KERNEL(name) name##_scalar
#include "packed_scalar.inc"
#include "packed.inc"
#undef KERNEL

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define KERNEL(name) name##_avx2
#include "packed_vector.inc"
#include "packed.inc"
#undef KERNEL
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#define KERNEL(name) name##_avx512
#include "packed_vector.inc"
#include "packed.inc"
#undef KERNEL
#pragma clang attribute pop

#define DISPATCH(name, ...)                                                       \
    do {                                                                          \
        if (ck_isa_active() >= CK_ISA_AVX512) name##_avx512(__VA_ARGS__);         \
        else if (ck_isa_active() >= CK_ISA_AVX2) name##_avx2(__VA_ARGS__);        \
        else name##_scalar(__VA_ARGS__);                                          \
    } while (0)

#else

#define DISPATCH(name, ...) name##_scalar(__VA_ARGS__)

#endif

// Sums and products of finite halves with the levels of few bits stay far within fp32's range.
static bool are_finite(const void *halves, size_t n) {
    bool finite = true;
    for (size_t i = 0; i < n; i++) finite &= (half_at(halves, i) & 0x7c00) != 0x7c00;
    return finite;
}

static bool are_finite_floats(const float *floats, size_t n) {
    bool finite = true;
    for (size_t i = 0; i < n; i++) finite &= (bits_of_f32(floats[i]) & 0x7f800000) != 0x7f800000;
    return finite;
}

bool ck_place_q4(
    float *out, const ck_q4 *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation) {
    size_t width = heads * dim;
    if (!are_finite_floats(in->means, width) || !are_finite(in->scales, tokens * ((width + 31) / 32))) return false;
    DISPATCH(place_q4, out, in, tokens, heads, dim, rotation);
    return true;
}

bool ck_place_mixed(
    float *out, const ck_mixed *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation) {
    size_t width = heads * dim;
    bool finite = true;
    if (in->channels) {
        finite = are_finite_floats(in->channels, width) && are_finite(in->row_scales, tokens) &&
                 are_finite(in->row_leasts, tokens);
    } else {
        for (int kind = 0; kind < 2; kind++)
            finite = finite && are_finite_floats(in->column_scales[kind], width) &&
                     are_finite_floats(in->column_leasts[kind], width);
    }
    if (finite) DISPATCH(place_mixed, out, in, tokens, heads, dim, rotation);
    return finite;
}

bool ck_place_lowrank(
    float *out, const ck_lowrank *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation) {
    size_t total = 0;
    for (size_t h = 0; h < heads; h++) total += in->ranks[h];
    if (!are_finite(in->scales, tokens * ((total + 31) / 32))) return false;
    DISPATCH(place_lowrank, out, in, tokens, heads, dim, rotation);
    return true;
}
