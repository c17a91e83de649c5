#include "model/kernels/kern.h"

#include <string.h>

#include "model/kernels/kern_tables.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

static bool always(void)
{
    return true;
}

#ifdef __x86_64__
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avxvnni(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

static bool has_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

/* The tile registers are large, so Linux gives them only to a process that asks. */
static bool has_amx(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a = 0, b = 0, c = 0, d = 0;
    return has_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1) && // AMX-TILE
           (d >> 25 & 1) &&                                                            // AMX-INT8
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

#ifdef __aarch64__
static bool has_dotprod(void)
{
    return getauxval(AT_HWCAP) >> 20 & 1; // HWCAP_ASIMDDP
}
#endif

// Fastest first.  No table has bf16: without AMX it is not faster than f32 (vdpbf16ps takes two
// clocks), and with AMX four planes of s8 make exact s16 products at a similar rate.
static const struct entry {
    struct kern table;
    bool (*runs)(void);
} entries[] = {
#ifdef __x86_64__
    {{"amx", &kern_f32_avx512, &dot_s16_amx, &dot_s8_amx}, has_amx},
    {{"vnni", &kern_f32_avx512, &dot_s16_vnni, &dot_s8_vnni}, has_vnni},
    {{"avx512", &kern_f32_avx512, &dot_s16_avx512, NULL}, has_avx512},
    {{"avxvnni", &kern_f32_avx2, &dot_s16_avxvnni, &dot_s8_avxvnni}, has_avxvnni},
    {{"avx2", &kern_f32_avx2, &dot_s16_avx2, NULL}, has_avx2},
#endif
#ifdef __aarch64__
    {{"neon", &kern_f32_neon, NULL, &dot_s8_neon}, has_dotprod},
#endif
    {{"c", &kern_f32_c, &dot_s16_c, &dot_s8_c}, always},
};

#define N_TABLES (sizeof entries / sizeof *entries)

const struct kern *kern_at(size_t i)
{
    return i < N_TABLES ? &entries[i].table : NULL;
}

bool kern_runs(const struct kern *k)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        if (k == &entries[i].table) {
            return entries[i].runs();
        }
    }
    return false;
}

const struct kern *kern_named(const char *name)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        if (strcmp(entries[i].table.name, name) == 0) {
            return &entries[i].table;
        }
    }
    return NULL;
}

const struct kern *kern_best(void)
{
    size_t i = 0;
    while (!entries[i].runs()) {
        i++; // the last one runs everywhere
    }
    return &entries[i].table;
}
