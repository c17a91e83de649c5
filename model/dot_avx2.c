/* AVX2: vpmaddwd adds pairs of products; 16 registers, 12 for sums.  u8 x s8 (vpmaddubsw)
 * saturates, and is no faster. */
#include <immintrin.h>

#include "model/kern_tables.h"

typedef __m256i vec;
#define VEC vec
#define LANES 8
#define ROWS 6

static inline vec load(const void *p)
{
    return _mm256_loadu_si256(p);
}

static inline vec zero(void)
{
    return _mm256_setzero_si256();
}

static inline vec all(const void *p)
{
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}

#define DOT16(sum, x, w) sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, w))
#include "model/dot_body.h"

const struct dot dot_s16_avx2 = {.instruction = "vpmaddwd ymm",
                                 .bytes = 2,
                                 .rows = ROWS,
                                 .cols = COLS,
                                 .pack_x = pack_x_s16,
                                 .pack_w = pack_w_s16,
                                 .tile = tile_s16};
