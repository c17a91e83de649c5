#include "out/actkern_body.h"

const struct actkern actkern_avx2 = ACTKERN_TABLE("avx2");
