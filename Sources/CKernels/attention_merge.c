// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "ck_attention.h"

// One row and head: the weights of its parts, 0 for those that see no key.
static void weigh_parts(
    const ck_queries *parts, const float *factors, size_t count, size_t place, float weights[CK_ATTENTION_PARTS]) {
    float top = -INFINITY, sum = 0;
    for (size_t p = 0; p < count; p++) {
        weights[p] = factors[p] * parts[p].log_sums[place];
        top = weights[p] > top ? weights[p] : top;
    }
    for (size_t p = 0; p < count; p++) {
        // Where no part sees a key all are −∞, and −∞ − −∞ would not be a number.
        weights[p] = weights[p] == -INFINITY ? 0 : expf(weights[p] - top);
        sum += weights[p];
    }
    for (size_t p = 0; p < count; p++) weights[p] = sum > 0 ? weights[p] / sum : 0;
}

void ck_attention_merge(
    const ck_queries *parts, const float *factors, size_t count, size_t row, size_t rows, size_t head, size_t heads,
    size_t dimension, float *output) {
    for (size_t r = row; r < row + rows; r++) {
        for (size_t place = r * parts->heads + head; place < r * parts->heads + head + heads; place++) {
            float weights[CK_ATTENTION_PARTS];
            weigh_parts(parts, factors, count, place, weights);
            float *out = output + place * dimension;
            memset(out, 0, dimension * sizeof *out);
            for (size_t p = 0; p < count; p++) {
                const float *in = parts[p].output + place * dimension;
                for (size_t i = 0; i < dimension; i++) out[i] += weights[p] * in[i];
            }
        }
    }
}

float ck_attention_mass(const float *part, const float *whole, size_t heads, float *peak) {
    float sum = 0, highest = 0;
    for (size_t h = 0; h < heads; h++) {
        float share = expf(part[h] - whole[h]);
        sum += share;
        highest = share > highest ? share : highest;
    }
    *peak = highest;
    return sum / (float)heads;
}
