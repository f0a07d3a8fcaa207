// SPDX-License-Identifier: Apache-2.0
#ifndef CK_PLACE_H
#define CK_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Widens fp16 keys without RoPE and rotates them to where they stand now, in one pass.
///
/// @param out      (token, head, dim) fp32
/// @param in       (token, head, dim) fp16
/// @param cosines  (token, pair); pairs beyond 2 * pairs dimensions are copied unrotated
/// @param sines    (token, pair)
/// @param halves   pairs are dimensions i and i + pairs rather than 2i and 2i + 1
void ck_place_keys_f16(float *out, const uint16_t *in, size_t tokens, size_t heads, size_t dim, const float *cosines,
                       const float *sines, size_t pairs, bool halves);

#endif
