/*
 * count_dump - log-probs of a count model with all digits, for tests/python/count_models
 *
 *     count_dump FILE.ngrams ORDER all|own|look < DOCUMENTS
 *
 * A document is a line "first id id ..."; each is one window.  A line a token: its log-prob; with
 * 'own' its own counts are left out; with 'look' of a distribution P of the token, the sum of all P
 * and the most likely token, its own counts left out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/counts/countmodel.h"

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "count_dump: %s\n", what);
        exit(1);
    }
}

static size_t read_ids(char *line, uint32_t **ids)
{
    size_t n = 0;
    for (char *at = line, *end;; at = end) {
        const unsigned long id = strtoul(at, &end, 10);
        if (end == at) {
            return n;
        }
        *ids = realloc(*ids, (n + 1) * sizeof **ids);
        must(*ids, "no memory");
        (*ids)[n++] = (uint32_t)id;
    }
}

static void print_look(const struct countmodel_ctx *run, const struct count_text *text, size_t i,
                       double *p, size_t d_vocab)
{
    countmodel_ctx_look(run, text, i, p);
    double sum = 0;
    size_t best = 0;
    for (size_t c = 0; c < d_vocab; c++) {
        sum += p[c];
        best = p[c] > p[best] ? c : best;
    }
    printf("%.17g %.17g %zu\n", log(p[text->ids[i]]), sum, best);
}

int main(int argc, char **argv)
{
    struct ngrams *n = NULL;
    struct countmodel m;
    struct countmodel_ctx *run = NULL;
    struct err err = {0};
    enum count_order order = COUNT_BIGRAM;
    must(argc == 4 && count_order_parse(argv[2], &order), "FILE ORDER all|own|look");
    must(ngrams_open(&n, argv[1], &err) == 0, err.msg);
    countmodel_init(&m, n, order);
    must(countmodel_ctx_new(&run, &m, &err) == 0, err.msg);
    const size_t d_vocab = ngrams_info(n)->d_vocab;
    double *p = malloc(d_vocab * sizeof *p);
    char *line = NULL;
    size_t cap = 0;
    uint32_t *ids = NULL;
    while (getline(&line, &cap, stdin) > 0) {
        const size_t len = read_ids(line, &ids);
        must(len > 0, "an empty line");
        const struct count_text text = {.first = ids[0], .ids = ids + 1};
        if (argv[3][0] != 'a') {
            must(countmodel_ctx_document(run, ids[0], ids + 1, len - 1, &err) == 0, err.msg);
        }
        for (size_t i = 0; i + 1 < len; i++) {
            if (argv[3][0] == 'l') {
                print_look(run, &text, i, p, d_vocab);
            } else {
                printf("%.17g\n", countmodel_ctx_score(run, &text, i));
            }
        }
    }
    free(p);
    free(line);
    free(ids);
    countmodel_ctx_free(run);
    ngrams_close(n);
    return 0;
}
