// SPDX-License-Identifier: Apache-2.0
#include "ck_cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"scalar", "avx2", "avx512", "avx512-bf16"};

static ck_isa detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")))
        return CK_ISA_SCALAR;
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")))
        return CK_ISA_AVX2;
    return __builtin_cpu_supports("avx512bf16") ? CK_ISA_AVX512_BF16 : CK_ISA_AVX512;
#else
    return CK_ISA_SCALAR;
#endif
}

// -1 until first asked for. The environment variable exists so that a profile or a bug report can be made on a lower
// instruction set without a rebuild.
static _Atomic int active = -1;

ck_isa ck_isa_detected(void) {
    static _Atomic int detected = -1;
    int isa = atomic_load_explicit(&detected, memory_order_relaxed);
    if (isa < 0) {
        isa = (int)detect();
        atomic_store_explicit(&detected, isa, memory_order_relaxed);
    }
    return (ck_isa)isa;
}

ck_isa ck_isa_active(void) {
    int isa = atomic_load_explicit(&active, memory_order_relaxed);
    if (isa >= 0) return (ck_isa)isa;
    ck_isa chosen = ck_isa_detected();
    const char *wish = getenv("TESSERA_ISA");
    for (int i = 0; wish && i <= (int)chosen; i++)
        if (strcmp(wish, names[i]) == 0) chosen = (ck_isa)i;
    atomic_store_explicit(&active, (int)chosen, memory_order_relaxed);
    return chosen;
}

void ck_isa_limit(ck_isa isa) {
    ck_isa detected = ck_isa_detected();
    atomic_store_explicit(&active, (int)(isa < detected ? isa : detected), memory_order_relaxed);
}

const char *ck_isa_name(ck_isa isa) { return names[isa]; }
