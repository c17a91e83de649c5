/* 64-bit Arm: 32 registers of 4, 24 for sums. */
#include "model/kernels/kern_tables.h"

#define NAME neon
#define LANES 4
#define ROWS 12
#include "model/kernels/kern_body.h"
