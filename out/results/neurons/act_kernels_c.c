#include "out/results/neurons/act_kernels_body.h"

const struct actkern actkern_c = ACTKERN_TABLE("c");
