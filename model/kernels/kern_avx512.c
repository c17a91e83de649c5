/* AVX-512: 32 registers, 28 for sums. */
#include "model/kernels/kern_tables.h"

#define NAME avx512
#define LANES 16
#define ROWS 14
#include "model/kernels/kern_body.h"
