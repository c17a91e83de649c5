/* Property: any bytes are refused as a file of counts with a message; or, also with their sums made
 * right, every entry can be read, every key asked for, every token scored and candidates be found,
 * within the bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/counts/candidates.h"
#include "model/counts/countmodel.h"
#include "tests/kit/ngrams_sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void read_tables(const struct ngrams *n)
{
    for (unsigned t = 0; t < NGRAMS_TABLES; t++) {
        struct ngrams_cursor c;
        uint64_t before = UINT64_MAX;
        for (ngrams_seek(&c, n, t, 0); c.is; ngrams_next(&c)) {
            check(before == UINT64_MAX || c.key > before);
            check(c.bigram.count > 0);
            before = c.key;
        }
        for (uint64_t key = 0; key < 300; key++) {
            ngrams_count(n, t, key);
        }
        ngrams_count(n, t, before);
    }
}

static void score(const struct ngrams *n, enum count_order order)
{
    const uint32_t v = ngrams_info(n)->d_vocab;
    const uint32_t ids[] = {1 % v, 2 % v, 1 % v, 2 % v, 3 % v, 0, v - 1, 1 % v};
    const struct count_text text = {.first = 0, .ids = ids};
    struct countmodel m;
    struct countmodel_ctx *r = NULL;
    double *p = malloc(v * sizeof *p);
    countmodel_init(&m, n, order);
    check(p && countmodel_ctx_new(&r, &m, NULL) == 0);
    for (int own = 0; own < 2; own++) {
        check(countmodel_ctx_document(r, 0, own ? ids : NULL, own ? 8 : 0, NULL) == 0);
        for (size_t i = 0; i < 8; i++) {
            const double value = countmodel_ctx_score(r, &text, i);
            check(value <= 0 && value > -1000);
        }
        if (count_order_sums(order) && v < 5000) {
            countmodel_ctx_look(r, &text, 5, p);
        }
    }
    countmodel_ctx_free(r);
    free(p);
}

static void find(const struct ngrams *n)
{
    const struct candidates_rule rule = {.count = 2, .high = 0.5, .low = 0.4, .most = 10};
    const uint32_t bos = 0;
    struct candidates c;
    struct err err = {0};
    const int rc = candidates_find(&c, n, &rule, &bos, 1, NULL, &err);
    check(rc == 0 || (err.msg[0] && c.n == 0));
    for (size_t i = 0; i < c.n; i++) {
        check(c.items[i].p >= 0.5 && c.items[i].p <= 1 && c.items[i].worth < 1e300);
    }
    candidates_free(&c);
}

static void parse(const uint8_t *data, size_t size)
{
    struct ngrams *n = NULL;
    struct err err = {0};
    if (ngrams_parse(&n, data, size, &err)) {
        check(err.msg[0] != '\0');
        return;
    }
    check(ngrams_info(n)->d_vocab > 0 && !ngrams_has_unit(n, UINT64_MAX));
    read_tables(n);
    score(n, COUNT_BIGRAM);
    score(n, COUNT_TRIGRAM);
    score(n, COUNT_ORACLE);
    find(n);
    ngrams_close(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size);
    if (size >= NGRAMS_HEADER) {
        uint8_t *copy = malloc(size);
        check(copy != NULL);
        memcpy(copy, data, size);
        ngrams_sign(copy, size);
        parse(copy, size);
        free(copy);
    }
    return 0;
}
