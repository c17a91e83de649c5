/*
 * bench_tokenizer.c - how fast texts are cut, on one core
 *
 *     bench_tokenizer tokenizer.json FILE...
 *
 * Each FILE is cut into documents of 4 KiB, as long as web pages are, and encoded in rounds; the
 * first round begins with an empty word cache, as a scan does.  Then 30 MB of one letter and of
 * random letters, each a single word.  Prints MB/s (10^6 bytes) of the best and the median round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpora/base/file.h"
#include "corpora/base/utf8_repair.h"
#include "model/tokenizer/tokenizer.h"

#define ROUNDS 5
#define DOC_BYTES ((size_t)4096)
#define RUN_BYTES ((size_t)30000000)

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Encodes text[len] in documents of about doc_bytes, and prints what it took. */
static int measure(const struct tokenizer *t, const char *name, const char *text, size_t len,
                   size_t doc_bytes, int n_rounds, struct err *err)
{
    double took[ROUNDS];
    size_t n_tokens = 0;
    struct tokens tokens = {0};
    struct encoder *e = encoder_new(t);
    int rc = e ? 0 : err_nomem(err, "an encoder");
    for (int round = 0; !rc && round < n_rounds; round++) {
        const double began = seconds();
        n_tokens = 0;
        for (size_t at = 0, end; !rc && at < len; at = end) {
            end = len - at > doc_bytes ? at + doc_bytes : len;
            while (end < len && ((unsigned char)text[end] & 0xc0) == 0x80) {
                end++; // not inside a character
            }
            rc = encode(e, text + at, end - at, SPECIAL_PLAIN, &tokens, err);
            n_tokens += tokens.n;
        }
        took[round] = seconds() - began;
    }
    if (!rc) {
        const double first = took[0], mb = (double)len * 1e-6;
        qsort(took, (size_t)n_rounds, sizeof *took, ascending);
        printf(
            "%-24s %9.1f MB %10zu tokens  best %6.1f MB/s  median %6.1f  first %6.1f  (%.2f s)\n",
            name, mb, n_tokens, mb / took[0], mb / took[n_rounds / 2], mb / first, first);
    }
    tokens_free(&tokens);
    encoder_free(e);
    return rc;
}

static int measure_file(const struct tokenizer *t, const char *path, struct err *err)
{
    struct buf raw = {0}, text = {0};
    uint64_t n_repaired = 0;
    int rc = file_read(path, SIZE_MAX, &raw, err);
    rc = rc ? rc : utf8_repair(&text, raw.data, raw.len, &n_repaired, err);
    rc = rc ? rc : measure(t, path, text.data, text.len, DOC_BYTES, ROUNDS, err);
    buf_free(&raw);
    buf_free(&text);
    return rc;
}

static int measure_runs(const struct tokenizer *t, struct err *err)
{
    char *run = malloc(RUN_BYTES);
    if (!run) {
        return err_nomem(err, "a run of letters");
    }
    memset(run, 'a', RUN_BYTES);
    int rc = measure(t, "one letter, one word", run, RUN_BYTES, RUN_BYTES, 3, err);
    uint32_t state = 1;
    for (size_t i = 0; i < RUN_BYTES; i++) {
        state = state * 1664525u + 1013904223u;
        run[i] = (char)('a' + (state >> 16) % 26);
    }
    rc = rc ? rc : measure(t, "random letters, one word", run, RUN_BYTES, RUN_BYTES, 3, err);
    for (size_t bytes = 32; !rc && bytes <= 1024; bytes *= 2) {
        char name[64];
        snprintf(name, sizeof name, "random, words of %zu", bytes);
        rc = measure(t, name, run, RUN_BYTES / 10, bytes, 3, err);
    }
    free(run);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_tokenizer tokenizer.json FILE...\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct err err = {0};
    struct tokenizer *t = NULL;
    const double began = seconds();
    int rc = tokenizer_load(&t, argv[1], &err);
    if (!rc) {
        printf("%s: loaded in %.0f ms\n", argv[1], (seconds() - began) * 1e3);
    }
    for (int i = 2; !rc && i < argc; i++) {
        rc = measure_file(t, argv[i], &err);
    }
    rc = rc ? rc : measure_runs(t, &err);
    if (rc) {
        fprintf(stderr, "%s\n", err.msg);
    }
    tokenizer_free(t);
    return rc ? 1 : 0;
}
