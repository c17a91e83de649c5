/* Any CPU: vectors of 4, which compilers have everywhere. */
#include "model/kern_tables.h"

#define NAME c
#define LANES 4
#define ROWS 4
#include "model/kern_body.h"
