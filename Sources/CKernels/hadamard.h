// SPDX-License-Identifier: Apache-2.0
//
// The fast Walsh–Hadamard transform, one number at a time.
#ifndef CK_HADAMARD_H
#define CK_HADAMARD_H

#include <math.h>
#include <stddef.h>

/// The largest power of two that divides a head's dimension.
static inline size_t hadamard_block(size_t dim) { return dim & (~dim + 1); }

/// What makes the transform orthogonal: 1 / √block.
static inline float hadamard_factor(size_t block) { return (float)(1 / sqrt((double)block)); }

/// The unnormalised transform in place: sums and differences at distances 1, 2, 4 …
static inline void butterflies(float *x, size_t block) {
    for (size_t distance = 1; distance < block; distance *= 2)
        for (size_t first = 0; first < block; first += 2 * distance)
            for (size_t i = first; i < first + distance; i++) {
                float a = x[i], b = x[i + distance];
                x[i] = a + b;
                x[i + distance] = a - b;
            }
}

#endif
