#include <xxhash.h>

// XXH3 with the processor's widest vectors, chosen at run time; the library has it for x86 alone.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
static inline uint64_t tessera_xxh3_64(const void *data, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed_dispatch(data, size, seed);
}
#else
static inline uint64_t tessera_xxh3_64(const void *data, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(data, size, seed);
}
#endif
