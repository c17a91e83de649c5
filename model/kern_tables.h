/*
 * kern_tables.h - the tables by name, for kern.c and the files that make them
 */
#ifndef GAPSCOPE_MODEL_KERN_TABLES_H
#define GAPSCOPE_MODEL_KERN_TABLES_H

#include "model/kern.h"

extern const struct kern kern_c, kern_avx2, kern_avx512; // the last two on x86-64 only

#endif
