/*
 * real_text.h - a number as people read it
 */
#ifndef GAPSCOPE_OUT_READ_REAL_TEXT_H
#define GAPSCOPE_OUT_READ_REAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define REAL_TEXT ((size_t)48) // bytes that hold any

/* A number with 'digits' after the point, and a plus where 'sign' is set; "-" for what is not
 * finite, as the standard error of one document.  From 1e15 on it is written as 1.5e+15: its digits
 * say nothing, and there may be 300.  Returns 'text'. */
const char *real_text(char text[REAL_TEXT], double value, int digits, bool sign);

#endif
