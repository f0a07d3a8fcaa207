// SPDX-License-Identifier: Apache-2.0
#ifndef CK_CONVERT_H
#define CK_CONVERT_H

#include <stddef.h>
#include <stdint.h>

/// Rounds fp32 to fp16, ties to even. Returns n, or the index of the first number that is not finite or exceeds fp16's
/// range; nothing behind it is then defined.
size_t ck_f16_from_f32(uint16_t *out, const float *in, size_t n);

/// Widens fp16 to fp32, exactly.
void ck_f32_from_f16(float *out, const uint16_t *in, size_t n);

/// Rounds fp32 to bf16, ties to even. Returns n, or the index of the first number that is not finite or rounds to
/// infinity; nothing behind it is then defined.
size_t ck_bf16_from_f32(uint16_t *out, const float *in, size_t n);

/// Parts n 16-bit numbers, little-endian, into their low and their high bytes, and joins them again.
void ck_split_planes(uint8_t *low, uint8_t *high, const uint8_t *in, size_t n);
void ck_join_planes(uint8_t *out, const uint8_t *low, const uint8_t *high, size_t n);

#endif
