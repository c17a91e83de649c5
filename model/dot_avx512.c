/* AVX-512 without VNNI: as AVX2, twice as wide; 32 registers. */
#include <immintrin.h>

#include "model/kern_tables.h"

typedef __m512i vec;
#define VEC vec
#define LANES 16
#define ROWS 13

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

#define DOT16(sum, x, w) sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, w))
#include "model/dot_body.h"

const struct dot dot_s16_avx512 = {.instruction = "vpmaddwd zmm",
                                   .bytes = 2,
                                   .rows = ROWS,
                                   .cols = COLS,
                                   .pack_x = pack_x_s16,
                                   .pack_w = pack_w_s16,
                                   .tile = tile_s16};
