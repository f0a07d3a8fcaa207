#include <oneapi/dnnl/dnnl.h>

// The entries of libgomp, the OpenMP runtime that oneDNN computes on. Work of our own that runs on the same team of
// threads doesn't compete with it for cores.
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void);
void omp_set_num_threads(int threads);
