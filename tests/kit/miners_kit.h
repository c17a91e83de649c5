/*
 * miners_kit.h - documents for tests of miners, written as "to|ken|s"
 */
#ifndef GAPSCOPE_TESTS_KIT_MINERS_KIT_H
#define GAPSCOPE_TESTS_KIT_MINERS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "miners/hypotheses.h"
#include "miners/labeller.h"

/* text[len] cut at the bytes where ends[n] say so; memory of exact sizes, for ASan. */
static inline void kit_tokens(struct tokens *t, const char *text, size_t len, const uint32_t *ends,
                              size_t n)
{
    char *copy = malloc(len ? len : 1);
    *t = (struct tokens){.n = n, .cap = n, .text = copy, .text_len = len};
    t->ids = calloc(n ? n : 1, sizeof *t->ids);
    t->ends = malloc((n ? n : 1) * sizeof *t->ends);
    if (len) {
        memcpy(copy, text, len);
    }
    for (size_t i = 0; i < n; i++) {
        t->ids[i] = (uint32_t)i;
        t->ends[i] = ends[i];
    }
}

/* "to|ken|s": bars separate tokens. */
static inline void kit_doc(struct tokens *t, const char *bars)
{
    char text[4096];
    uint32_t ends[4096];
    size_t len = 0, n = 0;
    for (const char *p = bars; *p; p++) {
        if (*p == '|') {
            ends[n++] = (uint32_t)len;
        } else {
            text[len++] = *p;
        }
    }
    if (len > 0) {
        ends[n++] = (uint32_t)len;
    }
    kit_tokens(t, text, len, ends, n);
}

static inline void kit_free(struct tokens *t)
{
    free((char *)(uintptr_t)t->text);
    free(t->ids);
    free(t->ends);
    *t = (struct tokens){0};
}

/* The hypotheses of a YAML text, with files from 'folder'. */
static inline void kit_load(struct hypotheses *h, const char *yaml, const char *folder)
{
    struct err err = {0};
    *h = (struct hypotheses){0};
    if (hypotheses_parse(h, yaml, strlen(yaml), "kit.yaml", folder, NULL, &err)) {
        fail_msg("%s", err.msg);
    }
}

/* Labels a document by hypothesis i as a string of 0 and 1, or "gave up"; the caller frees it. */
static inline char *kit_label(struct labeller *l, size_t i, const struct tokens *t)
{
    struct err err = {0};
    enum miner_verdict verdict;
    uint8_t *labels = malloc(t->n ? t->n : 1);
    char *out = malloc(t->n + 8);
    if (labeller_run(l, i, t, labels, &verdict, &err)) {
        fail_msg("%s", err.msg);
    }
    for (size_t k = 0; k < t->n; k++) {
        assert_true(labels[k] <= 1 && (verdict == MINER_DONE || labels[k] == 0));
        out[k] = (char)('0' + labels[k]);
    }
    out[t->n] = '\0';
    if (verdict == MINER_GAVE_UP) {
        strcpy(out, "gave up");
    }
    free(labels);
    return out;
}

#endif
