/* AVX-VNNI.  The instructions are written out, because GCC 12 copies and spills sums with the
 * intrinsics. */
#define NAME avxvnni
#define LANES 8
#define ROWS 6
#define TEXT16 "vpdpwssd ymm"
#define TEXT8 "vpdpbusd ymm"
#define DOT16(sum, x, w) __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w))
#define DOT8(sum, x, w) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w))
#include "model/kernels/dot_body.h"
