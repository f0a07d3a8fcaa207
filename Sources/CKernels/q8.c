// SPDX-License-Identifier: Apache-2.0
//
// In plain C: a chunk is encoded once, in far less time than its prefill takes. Decoding is in place.c.
#include "ck_q8.h"

#include <math.h>

#include "f16.h"

enum { BLOCK = 32 };

size_t ck_q8_check(const float *in, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(in[i]) <= 65504)) return i;
    return n;
}

void ck_q8_means(uint16_t *means, const float *in, size_t rows, size_t width) {
    for (size_t first = 0; first < width; first += BLOCK) {
        size_t columns = width - first < BLOCK ? width - first : BLOCK;
        double sums[BLOCK] = {0};
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < columns; i++) sums[i] += in[row * width + first + i];
        for (size_t i = 0; i < columns; i++) means[first + i] = f16_of_f32((float)(sums[i] / (double)rows));
    }
}

static uint16_t scale_reaching(float largest) {
    float scale = largest / 127;
    uint16_t half = f16_of_f32(scale);
    return f32_of_f16(half) < scale ? (uint16_t)(half + 1) : half;
}

// Nearest, ties to even, for magnitudes below 2^22: the sum has no room for a fraction.
static float rounded(float value) { return (value + 12582912.0f) - 12582912.0f; }

void ck_q8_from_f32(
    int8_t *quants, uint16_t *scales, const float *in, size_t n, const uint16_t *means, size_t width) {
    size_t column = 0;
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        float rest[BLOCK], largest = 0;
        for (size_t i = 0; i < count; i++) {
            rest[i] = in[first + i];
            if (means) rest[i] -= f32_of_f16(means[column]);
            if (++column == width) column = 0;
            if (fabsf(rest[i]) > largest) largest = fabsf(rest[i]);
        }
        uint16_t half = scale_reaching(largest);
        float scale = f32_of_f16(half);
        scales[first / BLOCK] = half;
        for (size_t i = 0; i < count; i++) quants[first + i] = (int8_t)(scale > 0 ? rounded(rest[i] / scale) : 0);
    }
}
