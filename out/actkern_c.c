#include "out/actkern_body.h"

const struct actkern actkern_c = ACTKERN_TABLE("c");
