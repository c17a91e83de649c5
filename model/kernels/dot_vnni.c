/* AVX-512 with VNNI.  The instructions are written out, because GCC 12 copies and spills sums with
 * the intrinsics. */
#define NAME vnni
#define LANES 16
#define ROWS 14
#define TEXT16 "vpdpwssd zmm"
#define TEXT8 "vpdpbusd zmm"
#define DOT16(sum, x, w) __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#define DOT8(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#include "model/kernels/dot_body.h"
