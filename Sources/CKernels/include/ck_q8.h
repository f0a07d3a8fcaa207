// SPDX-License-Identifier: Apache-2.0
#ifndef CK_Q8_H
#define CK_Q8_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// Encoding to CK_STORED_Q8 and CK_STORED_Q8_CENTRED of ck_place.h. Scales and means are rounded to fp16 first and
// numbers against them as they are stored, so that their rounding adds nothing to a number's error.

/// Returns n, or the index of the first number that is not finite or exceeds fp16's range.
size_t ck_q8_check(const float *in, size_t n);

/// The mean of each column; `in` is (row, column), all of it checked, of one row at least.
void ck_q8_means(uint16_t *means, const float *in, size_t rows, size_t width);

/// Rounds n checked numbers to signed bytes from −127 to 127 times the scale of each 32, which is the least fp16 number
/// that reaches the largest of them.
///
/// @param means  (width), subtracted first, or NULL
void ck_q8_from_f32(
    int8_t *quants, uint16_t *scales, const float *in, size_t n, const uint16_t *_Nullable means, size_t width);

#pragma clang assume_nonnull end

#endif
