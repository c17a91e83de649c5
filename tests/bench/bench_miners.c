/*
 * bench_miners.c - what each hypothesis of a file costs, on one core
 *
 *     bench_miners HYPOTHESES.yaml TOKENIZER.json FILE...
 *
 * Each FILE is a text, cut into documents of 4 KiB, as long as web pages are; all are labelled by
 * each hypothesis in rounds.  Prints the median round in nanoseconds a token and what was labelled,
 * then the sum.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpora/base/file.h"
#include "corpora/base/utf8_repair.h"
#include "miners/hypotheses.h"
#include "miners/labeller.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/load/hypothesis_args.h"

#define ROUNDS 5
#define DOC_BYTES ((size_t)4096)

struct docs {
    struct tokens *items; // [n], with ids, ends and texts of their own
    size_t n, cap, n_tokens;
    uint8_t *labels; // room for the longest
};

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

static int add_doc(struct docs *d, struct encoder *e, const char *text, size_t len, struct err *err)
{
    struct tokens t = {0};
    int rc = mem_reserve(&d->items, &d->cap, d->n + 1, sizeof *d->items, "documents", err);
    rc = rc ? rc : encode(e, text, len, SPECIAL_PLAIN, &t, err);
    char *copy = rc ? NULL : mem_new(t.text_len, 1);
    if (!rc && !copy) {
        rc = err_nomem(err, "a document");
    }
    if (rc) {
        tokens_free(&t);
        return rc;
    }
    memcpy(copy, t.text, t.text_len); // the encoder's, or the file's
    t.text = copy;
    d->items[d->n++] = t;
    d->n_tokens += t.n;
    return 0;
}

static int add_file(struct docs *d, const struct tokenizer *t, const char *path, struct err *err)
{
    struct buf raw = {0}, text = {0};
    uint64_t n_repaired = 0;
    struct encoder *e = encoder_new(t);
    int rc = e ? file_read(path, SIZE_MAX, &raw, err) : err_nomem(err, "an encoder");
    rc = rc ? rc : utf8_repair(&text, raw.data, raw.len, &n_repaired, err);
    for (size_t at = 0, end; !rc && at < text.len; at = end) {
        end = text.len - at > DOC_BYTES ? at + DOC_BYTES : text.len;
        while (end < text.len && ((unsigned char)text.data[end] & 0xc0) == 0x80) {
            end++; // not inside a character
        }
        rc = add_doc(d, e, text.data + at, end - at, err);
    }
    encoder_free(e);
    buf_free(&raw);
    buf_free(&text);
    return rc;
}

/* Labels all by hypothesis i; prints what it took and adds the median to *sum (ns a token). */
static int measure(const struct hypotheses *h, struct labeller *l, size_t i, const struct docs *d,
                   double *sum, struct err *err)
{
    double took[ROUNDS];
    size_t n_labels = 0, n_given_up = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double began = seconds();
        n_labels = n_given_up = 0;
        for (size_t k = 0; k < d->n; k++) {
            enum miner_verdict verdict;
            const int rc = labeller_run(l, i, &d->items[k], d->labels, &verdict, err);
            if (rc) {
                return rc;
            }
            n_given_up += verdict == MINER_GAVE_UP;
            for (size_t t = 0; t < d->items[k].n; t++) {
                n_labels += d->labels[t];
            }
        }
        took[round] = seconds() - began;
    }
    qsort(took, ROUNDS, sizeof *took, ascending);
    const double ns = took[ROUNDS / 2] * 1e9 / (double)d->n_tokens;
    *sum += ns;
    printf("%-24s %-7s %8.2f ns a token   labels %7.3f %%", h->items[i].name,
           h->items[i].kind->name, ns, 100.0 * (double)n_labels / (double)d->n_tokens);
    printf(n_given_up ? "   gave up on %zu documents\n" : "\n", n_given_up);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench_miners HYPOTHESES.yaml TOKENIZER.json FILE...\n");
        return 2;
    }
    const char *files[] = {argv[1]};
    const struct hypothesis_args_options options = {.files = {.items = files, .n = 1}};
    struct err err = {0};
    struct tokenizer *t = NULL;
    struct hypotheses h = {0};
    struct labeller *l = NULL;
    struct docs d = {0};
    double sum = 0;
    int rc = tokenizer_load(&t, argv[2], &err);
    rc = rc ? rc : hypothesis_args_load(&h, &options, &(struct hypothesis_windows){0}, t, &err);
    rc = rc ? rc : labeller_new(&l, &h, &err);
    for (int i = 3; !rc && i < argc; i++) {
        rc = add_file(&d, t, argv[i], &err);
    }
    d.labels = malloc(d.n_tokens + 1);
    if (!rc) {
        printf("%zu tokens in %zu documents\n", d.n_tokens, d.n);
    }
    for (size_t i = 0; !rc && i < h.n; i++) {
        rc = measure(&h, l, i, &d, &sum, &err);
    }
    if (rc) {
        fprintf(stderr, "%s\n", err.msg);
    } else {
        printf("%-32s %8.2f ns a token\n", "all", sum);
    }
    for (size_t k = 0; k < d.n; k++) {
        free((char *)(uintptr_t)d.items[k].text);
        tokens_free(&d.items[k]);
    }
    free(d.items);
    free(d.labels);
    labeller_free(l);
    hypotheses_free(&h);
    tokenizer_free(t);
    return rc ? 1 : 0;
}
