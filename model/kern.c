#include "model/kern.h"

#include "model/kern_tables.h"

static const struct kern *const tables[] = {
#ifdef __x86_64__
    &kern_avx512,
    &kern_avx2,
#endif
    &kern_c,
    NULL,
};

const struct kern *const *kern_all(void)
{
    return tables;
}

bool kern_runs(const struct kern *k)
{
#ifdef __x86_64__
    if (k == &kern_avx512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    }
    if (k == &kern_avx2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
#endif
    return k == &kern_c;
}

const struct kern *kern_best(void)
{
    size_t i = 0;
    while (!kern_runs(tables[i])) {
        i++; // the last runs everywhere
    }
    return tables[i];
}
