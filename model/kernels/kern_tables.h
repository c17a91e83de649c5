/*
 * kern_tables.h - the tables, for kern.c and the files that define them
 */
#ifndef GAPSCOPE_MODEL_KERNELS_KERN_TABLES_H
#define GAPSCOPE_MODEL_KERNELS_KERN_TABLES_H

#include "model/kernels/kern.h"

extern const struct kern_f32 kern_f32_c;
extern const struct dot dot_s16_c, dot_s8_c;

// on x86-64 only
extern const struct kern_f32 kern_f32_avx2, kern_f32_avx512;
extern const struct dot dot_s16_avx2, dot_s16_avx512, dot_s16_avxvnni, dot_s16_vnni, dot_s16_amx;
extern const struct dot dot_s8_avxvnni, dot_s8_vnni, dot_s8_amx;

// on 64-bit Arm only
extern const struct kern_f32 kern_f32_neon;
extern const struct dot dot_s8_neon;

#endif
