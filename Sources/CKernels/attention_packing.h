// SPDX-License-Identifier: Apache-2.0
//
// The layout of packed keys and values, shared by all tile kernels. A block is 64 slots of all KV heads: their
// positions, then for each head the keys (unit of dimensions, slot) and the values (unit of slots, dimension), where a
// unit is 32 bits: one fp32 number or two BF16 numbers. Dimensions are padded with zeros, missing slots have a position
// that no query reaches.
#ifndef ATTENTION_PACKING_H
#define ATTENTION_PACKING_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "ck_attention.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    BLOCK = 64,        // slots in a block
    TILE = 96,         // rows × heads of a group in a tile
    ROW_STEP = 6,      // rows of the inner product's register block
    PACK_WIDTH = 512,  // the largest head dimension
};

typedef int32_t unit;

typedef struct block_positions {
    int32_t positions[BLOCK];
    int32_t lowest, highest;
    int32_t padding[14];
} block_positions;

typedef struct packing {
    size_t key_depth;    // units in a key
    size_t value_width;  // columns of a value
    size_t head_units;   // units of one head's keys and values in a block
    size_t value_units;  // units of one head's keys, where its values begin
    size_t block_bytes;
    size_t blocks;
} packing;

typedef struct row_state {
    float top, sum;  // the largest score so far and Σ 2^(score − top)
    float *keep;     // what the output so far is multiplied with
} row_state;

typedef struct tile_scratch {
    unit *queries;      // (row, unit of dimensions), scaled
    float *scores;      // (row, slot); weights as units in the same place
    float *output;      // (row, dimension), not yet divided by the sum
    float *keep;        // (row)
    row_state *states;  // (row)
    size_t bytes;
} tile_scratch;

INLINE size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }
#define min(a, b) ((a) < (b) ? (a) : (b))

INLINE packing packing_of(const ck_keys *keys, size_t per_unit) {
    packing p;
    p.key_depth = round_up(keys->dimension, per_unit) / per_unit;
    p.value_width = round_up(keys->dimension, 16);
    p.value_units = p.key_depth * BLOCK;
    p.head_units = p.value_units + BLOCK / per_unit * p.value_width;
    p.block_bytes = sizeof(block_positions) + keys->heads * p.head_units * sizeof(unit);
    p.blocks = (keys->count + BLOCK - 1) / BLOCK;
    return p;
}

INLINE unit *block_keys(char *block, const packing *p, size_t head) {
    return (unit *)(block + sizeof(block_positions)) + head * p->head_units;
}

INLINE unit *block_values(char *block, const packing *p, size_t head) {
    return block_keys(block, p, head) + p->value_units;
}

INLINE void pack_positions(const int32_t *positions, size_t count, block_positions *out) {
    out->lowest = INT32_MAX;
    out->highest = INT32_MIN;
    for (size_t i = 0; i < BLOCK; i++) {
        out->positions[i] = i < count ? positions[i] : INT32_MAX;
        out->lowest = min(out->lowest, out->positions[i]);
        out->highest = out->positions[i] > out->highest ? out->positions[i] : out->highest;
    }
}

// A row of `dimension` numbers (zeros for NULL), followed by the zeros that any packing may read.
INLINE void padded_row(float *row, const float *source, size_t dimension) {
    if (source) memcpy(row, source, dimension * sizeof *row);
    size_t begin = source ? dimension : 0, end = round_up(dimension, 16);
    memset(row + begin, 0, (end - begin) * sizeof *row);
}

INLINE unit unit_of(float value) {
    unit bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE uint32_t bf16_bits(float value) {
    uint32_t bits = (uint32_t)unit_of(value);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

INLINE unit bf16_pair(float even, float odd) { return (unit)(bf16_bits(even) | bf16_bits(odd) << 16); }

// Cuts scratch memory into a tile's arrays, or, from NULL, only counts the bytes.
INLINE tile_scratch tile_scratch_of(void *scratch, size_t rows, const packing *p) {
    tile_scratch t;
    char *next = scratch;
    t.states = (row_state *)next;
    next += rows * sizeof *t.states;
    t.queries = (unit *)next;
    next += rows * p->key_depth * sizeof *t.queries;
    t.scores = (float *)next;
    next += rows * BLOCK * sizeof *t.scores;
    t.output = (float *)next;
    next += rows * p->value_width * sizeof *t.output;
    t.keep = (float *)next;
    next += rows * sizeof *t.keep;
    t.bytes = (size_t)((uintptr_t)next - (uintptr_t)scratch);
    return t;
}

// Divides by the sums and writes what is wanted of a tile's rows where it belongs.
INLINE void finish_tile(
    const ck_queries *q, const tile_scratch *t, const packing *p, size_t row, size_t used, size_t first_head,
    size_t group, size_t dimension) {
    for (size_t m = 0; m < used; m++) {
        const row_state state = t->states[m];
        size_t head = (row + m / group) * q->heads + first_head + m % group;
        if (q->log_sums)
            q->log_sums[head] = state.sum > 0 ? (state.top + log2f(state.sum)) * 0.693147180559945309f : -INFINITY;
        if (!q->output) continue;
        float factor = state.sum > 0 ? 1 / state.sum : 0;
        float *out = q->output + head * dimension;
        const float *in = t->output + m * p->value_width;
        for (size_t i = 0; i < dimension; i++) out[i] = in[i] * factor;
    }
}

#endif
