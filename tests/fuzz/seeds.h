/*
 * seeds.h - what the files of fuzz_seeds share
 */
#ifndef GAPSCOPE_TESTS_FUZZ_SEEDS_H
#define GAPSCOPE_TESTS_FUZZ_SEEDS_H

#include <stdio.h>
#include <stdlib.h>

static inline void must(int rc)
{
    if (rc) {
        fprintf(stderr, "fuzz_seeds: failed\n");
        exit(1);
    }
}

static inline void write_seed(const char *target, const char *name, const void *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "tests/fuzz/seeds/%s/%s", target, name);
    FILE *f = fopen(path, "wb");
    must(!f || fwrite(bytes, 1, len, f) != len);
    must(fclose(f));
}

void seeds_of_heads(void); // seeds_heads.c
void seeds_of_skips(void); // seeds_skips.c

#endif
