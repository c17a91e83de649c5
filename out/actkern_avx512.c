#include "out/actkern_body.h"

const struct actkern actkern_avx512 = ACTKERN_TABLE("avx512");
