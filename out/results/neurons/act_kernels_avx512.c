#include "out/results/neurons/act_kernels_body.h"

const struct actkern actkern_avx512 = ACTKERN_TABLE("avx512");
