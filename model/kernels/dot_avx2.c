/* AVX2: vpmaddwd adds pairs of products; 16 registers, 12 for sums.  u8 x s8 (vpmaddubsw)
 * saturates and is not faster. */
#define NAME avx2
#define LANES 8
#define ROWS 6
#define TEXT16 "vpmaddwd ymm"
#define DOT16(sum, x, w) sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, w))
#include "model/kernels/dot_body.h"
