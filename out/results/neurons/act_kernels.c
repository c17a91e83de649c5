#include "out/results/neurons/act_kernels.h"

#if defined(__x86_64__)
#define HAVE_AVX512                                                                                \
    (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&                    \
     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
#define HAVE_AVX2 __builtin_cpu_supports("avx2")
#endif

const struct act_kernels *act_kernels_at(size_t i)
{
    const struct act_kernels *tables[3];
    size_t n = 0;
#if defined(__x86_64__)
    if (HAVE_AVX512) {
        tables[n++] = &act_kernels_avx512;
    }
    if (HAVE_AVX2) {
        tables[n++] = &act_kernels_avx2;
    }
#endif
    tables[n++] = &act_kernels_c;
    return i < n ? tables[i] : 0;
}

const struct act_kernels *act_kernels_best(void)
{
    return act_kernels_at(0);
}
