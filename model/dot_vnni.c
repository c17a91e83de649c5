/* AVX-512 with VNNI.  The instructions are written out: from the intrinsics GCC 12 copies and
 * spills sums. */
#include <immintrin.h>

#include "model/kern_tables.h"

typedef __m512i vec;
#define VEC vec
#define LANES 16
#define ROWS 14

static inline vec load(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline vec zero(void)
{
    return _mm512_setzero_si512();
}

static inline vec all(const void *p)
{
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return _mm512_set1_epi32(x);
}

#define DOT16(sum, x, w) __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#define DOT8(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#include "model/dot_body.h"

const struct dot dot_s16_vnni = {.instruction = "vpdpwssd zmm",
                                 .bytes = 2,
                                 .rows = ROWS,
                                 .cols = COLS,
                                 .pack_x = pack_x_s16,
                                 .pack_w = pack_w_s16,
                                 .tile = tile_s16};
const struct dot dot_s8_vnni = {.instruction = "vpdpbusd zmm",
                                .bytes = 1,
                                .rows = ROWS,
                                .cols = COLS,
                                .w_extra = COLS * 4,
                                .pack_x = pack_x_s8,
                                .pack_w = pack_w_s8,
                                .tile = tile_s8};
