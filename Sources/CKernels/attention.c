// SPDX-License-Identifier: Apache-2.0
#include "ck_attention.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "attention_packing.h"

#define LOG2_E 1.44269504088896341f

// 2^x for x ≤ 0 with a relative error below 2e-7, exactly 0 below −126.5; in a form that the compiler vectorises.
INLINE float power_of_two(float x) {
    x = x < -127 ? -127 : x;
    float n = (x + 12582912.0f) - 12582912.0f, f = x - n;
    float p = 1.535336188319500e-4f;
    p = p * f + 1.339887440266574e-3f;
    p = p * f + 9.618437357674640e-3f;
    p = p * f + 5.550332471162809e-2f;
    p = p * f + 2.402264791363012e-1f;
    p = p * f + 6.931472028550421e-1f;
    p = p * f + 1;
    uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

// Dimensions that a pass over the values sums at once, and in the passes over what is left.
enum { WIDE = 64, SLIM = 16 };

#define REASSOCIATE
#define KERNEL(name) name##_scalar
#include "attention_direct.inc"
#undef KERNEL
#undef REASSOCIATE

#if defined(__x86_64__)

// Only sums are reassociated; the functions that round by adding a large number are not under this pragma.
#define REASSOCIATE _Pragma("clang fp reassociate(on)")

#define FUSED(acc, a, b) __builtin_elementwise_fma((vector)(a), (vector)(b), acc)
#define STORE_UNITS(place, x) (*(lanes *)(place) = (lanes)(x))
#define SINGLE(a, b) ((void)(b), unit_of(a))

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define KERNEL(name) name##_avx2
#define LANES 8
#define STRIPS 2
#define PER 1
#define MULTIPLY_ADD FUSED
#define NARROW STORE_UNITS
#define INTERLEAVE SINGLE
#include "attention_direct.inc"
#include "attention_tile.inc"
#undef KERNEL
#undef LANES
#undef STRIPS
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define KERNEL(name) name##_avx512
#define LANES 16
#define STRIPS 4
#include "attention_direct.inc"
#include "attention_tile.inc"
#undef KERNEL
#undef PER
#undef MULTIPLY_ADD
#undef NARROW
#undef INTERLEAVE
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma"))), apply_to = function)
#define KERNEL(name) name##_bf16
#define PER 2
#define MULTIPLY_ADD(acc, a, b) (vector) _mm512_dpbf16_ps((__m512)(acc), (__m512bh)(a), (__m512bh)(b))
#define NARROW(place, x) _mm256_storeu_si256((void *)(place), (__m256i)_mm512_cvtneps_pbh((__m512)(x)))
#define INTERLEAVE(a, b) bf16_pair(a, b)
#include "attention_tile.inc"
#undef KERNEL
#pragma clang attribute pop

#endif

struct ck_attention_kernels {
    void (*direct)(const ck_queries *, const ck_keys *, size_t, size_t, void *);
    // NULL for the scalar set, where a tile is its rows one by one.
    void (*pack)(const ck_keys *, size_t, void *);
    void (*tile)(const ck_queries *, const ck_keys *, const void *, size_t, size_t, size_t, void *);
    size_t per_unit;
};

const ck_attention_kernels *ck_attention_kernels_of(ck_isa isa, ck_precision precision) {
    static const ck_attention_kernels scalar = {direct_scalar, NULL, NULL, 1};
#if defined(__x86_64__)
    static const ck_attention_kernels avx2 = {direct_avx2, pack_avx2, tile_avx2, 1};
    static const ck_attention_kernels avx512 = {direct_avx512, pack_avx512, tile_avx512, 1};
    static const ck_attention_kernels bf16 = {direct_avx512, pack_bf16, tile_bf16, 2};
    switch (isa) {
    case CK_ISA_SCALAR: return &scalar;
    case CK_ISA_AVX2: return &avx2;
    case CK_ISA_AVX512: return &avx512;
    case CK_ISA_AVX512_BF16: return precision == CK_BF16 ? &bf16 : &avx512;
    }
#endif
    (void)isa, (void)precision;
    return &scalar;
}

size_t ck_attention_block_count(const ck_keys *keys) { return (keys->count + BLOCK - 1) / BLOCK; }

size_t ck_attention_packed_bytes(const ck_attention_kernels *kernels, const ck_keys *keys) {
    packing p = packing_of(keys, kernels->per_unit);
    return kernels->pack ? p.blocks * p.block_bytes : 0;
}

void ck_attention_pack(const ck_attention_kernels *kernels, const ck_keys *keys, size_t block, void *packed) {
    if (kernels->pack) kernels->pack(keys, block, packed);
}

size_t ck_attention_tile_rows(const ck_queries *queries, const ck_keys *keys) {
    size_t rows = TILE / (queries->heads / keys->heads);
    return rows ? rows : 1;
}

size_t ck_attention_tile_scratch_bytes(
    const ck_attention_kernels *kernels, const ck_queries *queries, const ck_keys *keys) {
    if (!kernels->tile) return ck_attention_direct_scratch_bytes(queries, keys);
    packing p = packing_of(keys, kernels->per_unit);
    size_t used = ck_attention_tile_rows(queries, keys) * (queries->heads / keys->heads);
    return tile_scratch_of(NULL, round_up(used, ROW_STEP), &p).bytes;
}

size_t ck_attention_direct_scratch_bytes(const ck_queries *queries, const ck_keys *keys) {
    return queries->heads / keys->heads * keys->count * sizeof(float);
}

void ck_attention_tile(
    const ck_attention_kernels *kernels, const ck_queries *queries, const ck_keys *keys, const void *packed, size_t row,
    size_t rows, size_t kv_head, void *scratch) {
    if (kernels->tile) {
        kernels->tile(queries, keys, packed, row, rows, kv_head, scratch);
    } else {
        for (size_t r = row; r < row + rows; r++) kernels->direct(queries, keys, r, kv_head, scratch);
    }
}

void ck_attention_direct(
    const ck_attention_kernels *kernels, const ck_queries *queries, const ck_keys *keys, size_t row, size_t kv_head,
    void *scratch) {
    kernels->direct(queries, keys, row, kv_head, scratch);
}
