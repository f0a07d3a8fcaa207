// SPDX-License-Identifier: Apache-2.0
//
// Encoding, in plain C: a chunk is encoded once, in far less time than its prefill takes. Decoding is in packed.c.
#include <math.h>
#include <string.h>

#include "ck_packed.h"
#include "f16.h"
#include "hadamard.h"

#pragma STDC FP_CONTRACT OFF

enum { BLOCK = 32 };

const int8_t ck_q4_levels[16] = {-115, -90, -71, -55, -41, -29, -18, -7, 4, 16, 28, 41, 56, 72, 94, 127};

void ck_hadamard(float *rows, size_t count, size_t heads, size_t dim) {
    size_t block = hadamard_block(dim);
    float factor = hadamard_factor(block);
    for (size_t i = 0; i < count * heads * dim; i++) rows[i] *= factor;
    for (size_t first = 0; first < count * heads * dim; first += block) butterflies(rows + first, block);
}

/// The levels next to the numbers of a block, of which n count, and the squared error.
static float nearest(const float in[BLOCK], size_t n, float scale, uint8_t numbers[BLOCK]) {
    int32_t below[BLOCK] = {0};
    float inverse = scale != 0 ? 1 / scale : 0, error = 0;
    for (size_t level = 0; level < 15; level++) {
        float middle = 0.5f * (float)(ck_q4_levels[level] + ck_q4_levels[level + 1]);
        for (size_t i = 0; i < BLOCK; i++) below[i] += in[i] * inverse > middle;
    }
    for (size_t i = 0; i < n; i++) {
        float rest = in[i] - scale * (float)ck_q4_levels[below[i]];
        error += rest * rest;
        numbers[i] = (uint8_t)below[i];
    }
    return error;
}

/// Chooses the scale of a block.
static uint16_t quantised(const float in[BLOCK], size_t n, uint8_t numbers[BLOCK]) {
    static const float factors[] = {1.0f, 0.95f, 1.05f, 0.9f, 1.1f};
    float extreme = 0, least = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (fabsf(in[i]) > fabsf(extreme)) extreme = in[i];
    uint16_t scale = 0;
    for (size_t i = 0; i < 10; i++) {
        uint8_t candidate[BLOCK] = {0};
        uint16_t half = f16_of_f32(extreme * factors[i / 2] / (i % 2 == 0 ? 127.0f : -127.0f));
        float error = nearest(in, n, f32_of_f16(half), candidate);
        // Not a number where the scale is beyond fp16: with blocks of thousands of dimensions near its limit.
        if (!(error < least)) continue;
        (least = error, scale = half);
        memcpy(numbers, candidate, n);
    }
    return scale;
}

static void put_number(uint8_t *row, unsigned bits, size_t i, unsigned number) {
    size_t each = 8 / bits;
    row[i / each] = (uint8_t)(row[i / each] | number << bits * (i % each));
}

void ck_q4_from_f32(
    uint8_t *numbers, uint16_t *scales, const float *in, size_t rows, size_t heads, size_t dim, const float *means) {
    size_t width = heads * dim, bytes = (width + 1) / 2, blocks = (width + BLOCK - 1) / BLOCK;
    size_t turned = hadamard_block(dim);
    float factor = hadamard_factor(turned), row[width];
    memset(numbers, 0, rows * bytes);
    for (size_t t = 0; t < rows; t++, in += width, numbers += bytes) {
        for (size_t i = 0; i < width; i++) row[i] = (in[i] - means[i]) * factor;
        for (size_t first = 0; first < width; first += turned) butterflies(row + first, turned);
        for (size_t first = 0; first < width; first += BLOCK) {
            uint8_t codes[BLOCK] = {0};
            float own[BLOCK] = {0};
            size_t n = width - first < BLOCK ? width - first : BLOCK;
            memcpy(own, row + first, n * sizeof *row);
            scales[t * blocks + first / BLOCK] = quantised(own, n, codes);
            for (size_t i = 0; i < n; i++) put_number(numbers, 4, first + i, codes[i]);
        }
    }
}

// The fp16 neighbour of a finite number towards +infinity or −infinity.
static uint16_t up(uint16_t half) {
    if (half == 0x8000) return 0x0001;
    return (uint16_t)(half & 0x8000 ? half - 1 : half + 1);
}

static uint16_t down(uint16_t half) { return (uint16_t)(up(half ^ 0x8000) ^ 0x8000); }

void ck_affine_reaching(float least, float largest, unsigned bits, uint16_t *scale, uint16_t *offset) {
    uint16_t low = f16_of_f32(least);
    if (f32_of_f16(low) > least) low = down(low);
    float steps = (float)((1u << bits) - 1), needed = (largest - f32_of_f16(low)) / steps;
    uint16_t step = f16_of_f32(needed);
    if (f32_of_f16(step) < needed) step = up(step);
    (*scale = step, *offset = low);
}

void ck_affine_from_f32(
    uint8_t *row, unsigned bits, const float *in, size_t n, const float *scales, const float *leasts, size_t stride) {
    float top = (float)((1u << bits) - 1);
    memset(row, 0, (n * bits + 7) / 8);
    for (size_t i = 0; i < n; i++) {
        float scale = scales[i * stride], steps = scale > 0 ? (in[i] - leasts[i * stride]) / scale : 0;
        // Nearest, ties to even, for small magnitudes: the sum has no room for a fraction.
        float number = (steps + 12582912.0f) - 12582912.0f;
        number = number > top ? top : number;
        put_number(row, bits, i, number > 0 ? (unsigned)number : 0);
    }
}
