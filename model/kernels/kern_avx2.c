/* AVX2 and FMA: 16 registers, 12 for sums. */
#include "model/kernels/kern_tables.h"

#define NAME avx2
#define LANES 8
#define ROWS 6
#include "model/kernels/kern_body.h"
