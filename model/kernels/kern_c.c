/* Any CPU: vectors of 4, which compilers have everywhere. */
#include "model/kernels/kern_tables.h"

#define NAME c
#define LANES 4
#define ROWS 4
#include "model/kernels/kern_body.h"
