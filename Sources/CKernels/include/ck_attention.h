// SPDX-License-Identifier: Apache-2.0
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "ck_cpu.h"

// Softmax attention of any rows over a range of key slots. A key is visible to a query iff its position is not greater
// than the query's; neither positions nor slots need any order, and positions may repeat. Query heads share KV heads in
// equal groups.
//
// Two ways lead to the same numbers. Many rows: pack the keys and values once (ck_attention_pack, each block by
// itself), then compute tiles of rows (ck_attention_tile), in the manner of FlashAttention (Dao et al., 2022): blocks of
// keys with a running maximum and sum, where blocks that no row of the tile can see are left out and blocks that all
// rows see are not masked. Few rows: ck_attention_direct reads the keys and values as they are.
//
// Several ranges of one layer, each computed by itself, merge into the attention over all of them (ck_attention_merge);
// where only log sums are wanted, as for a share of attention (ck_attention_mass), the values are not read.
//
// The calls use one thread; blocks, tiles and rows are independent of each other.

/// The arithmetic of tiles: fp32 throughout, or products of BF16 numbers summed in fp32. CK_BF16 becomes fp32 where the
/// instruction set has no BF16 dot product.
typedef enum ck_precision {
    CK_FP32 = 0,
    CK_BF16 = 1,
} ck_precision;

/// A range of slots of one layer.
typedef struct ck_keys {
    const float *keys;         // (slot, kv head, dimension), RoPE applied
    const float *values;       // (slot, kv head, dimension)
    const int32_t *positions;  // (slot)
    size_t first, count;       // the range
    size_t heads, dimension;
} ck_keys;

/// Queries and where their results go.
typedef struct ck_queries {
    const float *queries;      // (row, query head, dimension), RoPE applied
    const int32_t *positions;  // (row)
    size_t heads;              // a multiple of the kv heads
    float scale;               // on each score, usually 1 / sqrt(dimension)
    float *output;             // (row, query head, dimension), 0 for rows that see no key of the range; or NULL
    float *log_sums;           // (row, query head), ln Σ e^score, −∞ for rows that see no key; or NULL
    float *probabilities;      // (row, query head, key of the range), of ck_attention_direct alone; or NULL
} ck_queries;

/// The kernels of one instruction set and precision. Packed keys belong to the kernels that packed them.
typedef struct ck_attention_kernels ck_attention_kernels;

/// The kernels of an instruction set, which must not be above the detected one.
const ck_attention_kernels *ck_attention_kernels_of(ck_isa isa, ck_precision precision);

/// The number of blocks that a range is packed in, and of bytes that they take together.
size_t ck_attention_block_count(const ck_keys *keys);
size_t ck_attention_packed_bytes(const ck_attention_kernels *kernels, const ck_keys *keys);

/// Packs one block into its place in `packed`.
void ck_attention_pack(const ck_attention_kernels *kernels, const ck_keys *keys, size_t block, void *packed);

/// The number of rows in a full tile, and the scratch bytes that a tile or a direct row needs.
size_t ck_attention_tile_rows(const ck_queries *queries, const ck_keys *keys);
size_t ck_attention_tile_scratch_bytes(
    const ck_attention_kernels *kernels, const ck_queries *queries, const ck_keys *keys);
size_t ck_attention_direct_scratch_bytes(const ck_queries *queries, const ck_keys *keys);

/// Attention of rows [row, row + rows) and the query heads of one KV head; at most a full tile of rows.
void ck_attention_tile(
    const ck_attention_kernels *kernels, const ck_queries *queries, const ck_keys *keys, const void *packed, size_t row,
    size_t rows, size_t kv_head, void *scratch);

/// Attention of one row and the query heads of one KV head, in fp32, without packed keys.
void ck_attention_direct(
    const ck_attention_kernels *kernels, const ck_queries *queries, const ck_keys *keys, size_t row, size_t kv_head,
    void *scratch);

/// The largest number of parts that merge.
enum { CK_ATTENTION_PARTS = 4 };

/// Merges the attention of the same rows over disjoint ranges of keys into attention over all of them:
/// output = Σ_p w_p · output_p with w = softmax_p(factors[p] · log_sums_p), in fp32. Factors of 1 give plain softmax over
/// all the keys; others weigh a range's log-mass.
///
/// @param parts    one for each range, alike but for `output` and `log_sums`, which are both given; at most
///                 CK_ATTENTION_PARTS
/// @param factors  (part), above 0
/// @param row      the first of `rows` rows, whose query heads [head, head + heads) are merged
/// @param output   (row, query head, dimension); 0 where no part sees a key
void ck_attention_merge(
    const ck_queries *parts, const float *factors, size_t count, size_t row, size_t rows, size_t head, size_t heads,
    size_t dimension, float *output);

/// The share of a row's attention that a range of keys gets, averaged over its query heads: mean of e^(part − whole).
///
/// @param part   (query head), log sums over the range
/// @param whole  (query head), log sums over all keys
/// @param peak   takes the share of the query head that pays most
float ck_attention_mass(const float *part, const float *whole, size_t heads, float *peak);

#endif
