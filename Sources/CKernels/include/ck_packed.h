// SPDX-License-Identifier: Apache-2.0
#ifndef CK_PACKED_H
#define CK_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ck_place.h"

#pragma clang assume_nonnull begin

// Keys and values of few bits a number, and of fewer numbers than a head has. Each row, which is one token's (head,
// dim), begins at a byte of its own; a byte holds its first number in its lowest bits. Blocks of 32 run along a row,
// and the last one of a row may be shorter. Placing is as in ck_place.h: widened to fp32 and rotated, no pointer has to
// be aligned, and the result says whether all that was written is finite. Values go the same way without pairs.

/// The levels of a 4-bit number.
///
/// Lloyd's fixed point (Lloyd 1982, Max 1960) for 32 numbers of a normal distribution in units of a scale that is
/// searched as ck_q4_from_f32 does. They are not symmetric: the sign of the scale says which way round they lie, so
/// that 15 of 16 serve the numbers that are not the largest.
extern const int8_t ck_q4_levels[16];

/// Numbers of 4 bits, in the basis of ck_hadamard: level · scale, the rotation taken back, and the mean added.
typedef struct ck_q4 {
    const void *numbers;  // (token, (width + 1) / 2) bytes
    const void *scales;   // (token, (width + 31) / 32) fp16
    const float *means;   // (head, dim)
} ck_q4;

/// Rotates each head of rows by the normalised Walsh–Hadamard matrix of its largest power of two: a head of 48 is three
/// blocks of 16. The matrix is symmetric, so this is its own inverse.
void ck_hadamard(float *rows, size_t count, size_t heads, size_t dim);

/// Rounds checked numbers to 4 bits. Of ten scales for each block the one with the least squared error is taken: the
/// largest number, at the level of its own sign or of the other, within a tenth.
///
/// @param in  (row, head, dim)
void ck_q4_from_f32(
    uint8_t *numbers, uint16_t *scales, const float *in, size_t rows, size_t heads, size_t dim, const float *means);

/// Places numbers of ck_q4.
bool ck_place_q4(
    float *out, const ck_q4 *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation);

/// Numbers of 4 bits in the rows of some tokens and of 2 in those of the others: ZipCache (arXiv 2405.14256).
///
/// With scales of columns (§4.1, channelwise) a number is q · scale[column] + least[column], which differ for the two
/// kinds of rows. With scales of rows (tokenwise, channel-separable) it is (q · scale[row] + least[row]) · channel.
typedef struct ck_mixed {
    const uint8_t *salient;                     // a bit for each token: whether its row is of 4 bits
    const void *fine;                           // (salient token, (width + 1) / 2) bytes
    const void *coarse;                         // (other token, (width + 3) / 4) bytes
    const float *_Nullable column_scales[2];    // (width), of coarse and of fine rows; NULL with scales of rows
    const float *_Nullable column_leasts[2];    // (width)
    const void *_Nullable row_scales;           // (token) fp16
    const void *_Nullable row_leasts;           // (token) fp16
    const float *_Nullable channels;            // (width)
} ck_mixed;

/// Rounds n numbers of a row to `bits`, 4 or 2: (x − least) / scale, to nearest, 0 where the scale is.
///
/// @param stride  1 with a scale for each number, 0 with one for all
void ck_affine_from_f32(
    uint8_t *row, unsigned bits, const float *in, size_t n, const float *scales, const float *leasts, size_t stride);

/// The affine code whose levels reach from the least to the largest of some numbers: the fp16 number at or below the
/// least, and the least fp16 scale that takes 2^bits − 1 steps to the largest.
void ck_affine_reaching(float least, float largest, unsigned bits, uint16_t *scale, uint16_t *offset);

/// Places numbers of ck_mixed.
bool ck_place_mixed(
    float *out, const ck_mixed *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation);

/// How many tokens share a read of the basis.
#define CK_LOWRANK_TOKENS 4

/// Coefficients in a basis for each head, signed bytes with a scale for each block: x = mean + Σ c_i · basis_i.
typedef struct ck_lowrank {
    const void *numbers;    // (token, rank of all heads) signed bytes
    const void *scales;     // (token, (rank of all heads + 31) / 32) fp16
    const size_t *ranks;    // (head)
    const float *basis;     // of each head in turn (rank, dim)
    const float *means;     // (head, dim)
    float *coefficients;    // room for the rank of all heads, CK_LOWRANK_TOKENS times
} ck_lowrank;

/// Places numbers of ck_lowrank.
bool ck_place_lowrank(
    float *out, const ck_lowrank *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation);

#pragma clang assume_nonnull end

#endif
