/* AVX-512 without VNNI: like AVX2, but twice as wide; 32 registers. */
#define NAME avx512
#define LANES 16
#define ROWS 13
#define TEXT16 "vpmaddwd zmm"
#define DOT16(sum, x, w) sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, w))
#include "model/kernels/dot_body.h"
