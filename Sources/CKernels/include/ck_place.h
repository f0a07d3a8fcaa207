// SPDX-License-Identifier: Apache-2.0
#ifndef CK_PLACE_H
#define CK_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// Stored keys and values on their way into a request's buffer: widened to fp32, keys rotated, in one pass. No pointer
// has to be aligned.

/// How numbers are stored.
typedef enum ck_storage {
    CK_STORED_F16 = 0,
    CK_STORED_BF16 = 1,
    CK_STORED_F16_PLANES = 2,  // the low bytes of fp16 numbers in one place, their high bytes in another
    CK_STORED_BF16_PLANES = 3,
    CK_STORED_Q8 = 4,          // signed bytes; each 32 in a row share an fp16 scale
    CK_STORED_Q8_CENTRED = 5,  // the same, with an fp16 mean for each column of a row added
} ck_storage;

/// Stored numbers, (token, head, dim).
typedef struct ck_stored {
    ck_storage storage;
    const void *numbers;           // the numbers, or the plane of their low bytes
    const void *_Nullable high;    // the plane of high bytes
    const void *_Nullable scales;  // (number / 32) fp16
    const void *_Nullable means;   // (head, dim) fp16
} ck_stored;

/// The rotation of some tokens.
typedef struct ck_rotation {
    const float *_Nullable cosines;  // (token, pair); NULL without pairs
    const float *_Nullable sines;    // (token, pair)
    size_t pairs;                    // dimensions behind 2 * pairs are copied unrotated
    bool halves;                     // pairs are dimensions i and i + pairs rather than 2i and 2i + 1
} ck_rotation;

/// Widens keys without RoPE and rotates them to where they stand now.
///
/// @param out  (token, head, dim) fp32
/// @return whether all that was written is finite
bool ck_place_keys(
    float *out, const ck_stored *in, size_t tokens, size_t heads, size_t dim, const ck_rotation *rotation);

/// Widens `n` numbers: the values of whole tokens. The result is as above.
bool ck_place_values(float *out, const ck_stored *in, size_t n);

#pragma clang assume_nonnull end

#endif
