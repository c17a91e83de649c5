/*
 * seeds_classes.h - the seeds of fuzz_classes
 */
#ifndef GAPSCOPE_TESTS_FUZZ_SEEDS_CLASSES_H
#define GAPSCOPE_TESTS_FUZZ_SEEDS_CLASSES_H

#include <stddef.h>

/* Gives each seed to write(target, name, bytes, len).  Not 0: no memory. */
int seeds_write_classes(void (*write)(const char *, const char *, const void *, size_t));

#endif
