#include "out/results/neurons/act_kernels_body.h"

const struct act_kernels act_kernels_c = ACT_KERNELS_TABLE("c");
