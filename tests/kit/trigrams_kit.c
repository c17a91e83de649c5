#include "tests/kit/trigrams_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

uint64_t next(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

void *room(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    assert_non_null(p);
    return p;
}

/* Zeros, ties of 2^-21, what is clamped, what is no number. */
static float some_activation(uint64_t *random)
{
    static const float odd[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1024, -1024, 1025, -3e30f};
    switch (next(random, 12)) {
    case 0:
        return odd[next(random, sizeof odd / sizeof *odd)];
    case 1:
        return (float)((double)next(random, 4096) - 2048) * 0x1p-21f;
    default:
        return (float)((double)next(random, 2000001) * 1e-6 - 1) * 3;
    }
}

/* Some below the floor, some no number that a sum takes. */
static double some_logprob(uint64_t *random)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -1e12, -1e9, 2000};
    const double x = (double)next(random, 1000003) * 1e-6;
    switch (next(random, 16)) {
    case 0:
        return -6 - x;
    case 1:
        return -1023.5 - x;
    case 2:
        return odd[next(random, sizeof odd / sizeof *odd)];
    default:
        return -8 * x * x;
    }
}

/* Words are few; some documents repeat the last one, some a token. */
static void fill_doc(struct doc *d, const struct doc *last, uint64_t *random)
{
    static const uint32_t words[] = {0, 1, 2, 3, 9};
    const bool again = last && next(random, 4) == 0;
    const uint64_t n_words = 1 + next(random, 5), length = 2 + next(random, 60);
    uint32_t pos = next(random, 2) ? 1 : 2 + (uint32_t)next(random, 9), byte = 0, window = 0;
    for (size_t i = 0; i < d->n; i++) {
        d->ids[i] = again && i < last->n ? last->ids[i] : words[next(random, n_words)];
        byte += (uint32_t)next(random, 4);
        d->ends[i] = byte;
        d->pos[i] = pos;
        d->window[i] = window;
        const bool ends = next(random, length) == 0;
        pos = ends ? 1 : pos + 1;
        window += ends;
        for (size_t m = 0; m < MODELS; m++) {
            d->logprob[m][i] = some_logprob(random);
        }
        for (size_t l = 0; l < LAYERS; l++) {
            for (size_t k = 0; k < widths[l]; k++) {
                d->acts[l][i][k] = some_activation(random);
            }
        }
    }
    d->n_foreign = next(random, 3) == 0 ? next(random, 6) : 0;
    d->first = next(random, 4) ? 15 : 1 + (uint32_t)next(random, 3);
}

void world_make(struct world *w, const struct trigrams_shape *shape, size_t n, size_t most_tokens,
                uint64_t seed)
{
    uint64_t random = seed;
    assert_true(n <= DOCS_MOST && most_tokens <= TOKENS_MOST);
    *w = (struct world){.shape = shape, .n = n, .texts = seed % 2, .skips = seed % 4 >= 2};
    w->docs = room(n, sizeof *w->docs);
    for (size_t i = 0; i < n; i++) {
        struct doc *d = &w->docs[i];
        d->shard = (uint32_t)(i % 3);
        d->number = i + next(&random, 3) + (i % 7 == 0 ? UINT64_C(1) << 33 : 0);
        d->n = i % 10 == 3 ? 0 : 1 + next(&random, most_tokens);
        fill_doc(d, i > 0 ? d - 1 : NULL, &random);
        for (size_t k = 0; k < d->n && w->skips; k++) {
            d->skipped[k] = (k * 7 + i * 3 + d->ids[k]) % 5 == 0; // all of some words, and others
        }
    }
}

void world_free(struct world *w)
{
    free(w->docs);
}

struct tally_doc tally_doc_of(const struct world *w, const struct doc *d,
                              const double *rows[MODELS])
{
    for (size_t m = 0; m < MODELS; m++) {
        rows[m] = d->logprob[m];
    }
    return (struct tally_doc){.shard = d->shard,
                              .number = d->number,
                              .n = d->n,
                              .ids = d->ids,
                              .ends = w->texts ? d->ends : NULL,
                              .pos = d->pos,
                              .skipped = w->skips ? d->skipped : NULL,
                              .logprob = rows};
}

/* Documents of a unit, with what stands between. */

void unit_make(struct unit *u, const struct doc *const *docs, size_t n_docs)
{
    size_t n = 0;
    for (size_t d = 0; d < n_docs; d++) {
        n += docs[d]->n_foreign + docs[d]->n;
    }
    u->ids = room(n, sizeof *u->ids);
    u->pos = room(n, sizeof *u->pos);
    u->skipped = room(n, 1);
    u->docs = room(n_docs, sizeof *u->docs);
    for (size_t l = 0; l < LAYERS; l++) {
        u->acts[l] = room(n, sizeof *u->acts[l]);
    }
    size_t at = 0;
    for (size_t d = 0; d < n_docs; d++) {
        const struct doc *doc = docs[d];
        const uint32_t begin = doc->n > 0 && doc->pos[0] > doc->n_foreign
                                   ? doc->pos[0] - (uint32_t)doc->n_foreign
                                   : 1; // so that the document goes on where they end
        for (uint32_t i = 0; i < doc->n_foreign; i++, at++) {
            u->ids[at] = i % 4;
            u->pos[at] = begin + i;
        }
        u->docs[d] = (struct unit_tokens_doc){.begin = at, .n = doc->n, .first = doc->first};
        memcpy(u->ids + at, doc->ids, doc->n * sizeof *u->ids);
        memcpy(u->pos + at, doc->pos, doc->n * sizeof *u->pos);
        memcpy(u->skipped + at, doc->skipped, doc->n);
        for (size_t l = 0; l < LAYERS; l++) {
            for (size_t i = 0; i < doc->n; i++) {
                u->acts[l][at + i] = doc->acts[l][i];
            }
        }
        at += doc->n;
    }
    u->tokens = (struct unit_tokens){.ids = u->ids,
                                     .pos = u->pos,
                                     .skipped = u->skipped,
                                     .n = n,
                                     .docs = u->docs,
                                     .n_docs = n_docs};
}

void unit_free(struct unit *u)
{
    for (size_t l = 0; l < LAYERS; l++) {
        free(u->acts[l]);
    }
    free(u->ids);
    free(u->pos);
    free(u->skipped);
    free(u->docs);
}

size_t give_block(struct trigrams *t, const struct unit *u, size_t layer, size_t begin, size_t most,
                  uint64_t *random)
{
    const size_t width = widths[layer], n = u->tokens.n;
    size_t *lengths = room(2 * n, sizeof *lengths), n_windows = 0, end = begin;
    float *acts = room(3 * n * width, sizeof *acts), *row = acts;
    while (end < n && n_windows < most) {
        size_t window = random && next(random, 6) == 0 ? 0 : 1;
        while (window > 0 && end + window < n &&
               u->pos[end + window] == u->pos[end + window - 1] + 1) {
            window++;
        }
        for (size_t i = 0; i < width; i++) {
            *row++ = 888; // of what stands before
        }
        for (size_t i = 0; i < window; i++, row += width) {
            const float *from = u->acts[layer][end + i];
            for (size_t k = 0; k < width; k++) {
                row[k] = from ? from[k] : 999;
            }
        }
        if (window > 0 || n_windows == 0 || lengths[n_windows - 1] > 0) {
            lengths[n_windows++] = window;
        } else {
            row -= width; // one empty one after another is enough
        }
        end += window;
    }
    trigrams_block(t, layer, begin, lengths, n_windows, acts);
    free(lengths);
    free(acts);
    return end;
}

void run_unit(struct trigrams *t, const struct world *w, const struct doc *const *docs,
              size_t n_docs, uint64_t *random)
{
    struct unit u = {0};
    unit_make(&u, docs, n_docs);
    assert_int_equal(trigrams_begin(t, &u.tokens, NULL), 0);
    for (size_t layer = 0; layer < w->shape->n_layers; layer++) {
        for (size_t at = 0; at < u.tokens.n;) {
            at = give_block(t, &u, layer, at, random ? 1 + next(random, 5) : SIZE_MAX, random);
        }
    }
    for (size_t d = 0; d < n_docs; d++) {
        const double *rows[MODELS];
        const struct tally_doc doc = tally_doc_of(w, docs[d], rows);
        assert_int_equal(trigrams_add_doc(t, d, &doc, pairs, FLOOR, NULL), 0);
    }
    unit_free(&u);
}

struct trigrams *new_one(const struct trigrams_shape *shape)
{
    struct trigrams *t;
    assert_int_equal(trigrams_new(&t, shape, NULL), 0);
    return t;
}

struct buf save(const struct trigrams *t)
{
    struct buf bytes = {0};
    assert_int_equal(trigrams_save(t, &bytes, NULL), 0);
    return bytes;
}

void expect_same(const struct trigrams *a, const struct trigrams *b)
{
    struct buf x = save(a), y = save(b);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    buf_free(&x);
    buf_free(&y);
}

struct trigrams *reload(const struct trigrams *t)
{
    struct trigrams *again = new_one(t->shape);
    struct buf bytes = save(t);
    struct err err = {0};
    if (trigrams_load(again, bytes.data, bytes.len, &err)) {
        fail_msg("%s", err.msg);
    }
    expect_same(again, t);
    buf_free(&bytes);
    return again;
}

struct trigrams *whole_of(const struct world *w)
{
    const struct doc *docs[DOCS_MOST];
    for (size_t i = 0; i < w->n; i++) {
        docs[i] = &w->docs[i];
    }
    struct trigrams *t = new_one(w->shape);
    run_unit(t, w, docs, w->n, NULL);
    return t;
}

struct trigrams *anyhow_of(const struct world *w, uint64_t *random)
{
    enum { WHOLES = 4 };
    struct trigrams *wholes[WHOLES], *worker = new_one(w->shape);
    const struct doc *docs[DOCS_MOST];
    size_t n = 1 + next(random, WHOLES);
    for (size_t i = 0; i < n; i++) {
        wholes[i] = new_one(w->shape);
    }
    for (size_t i = 0; i < w->n; i++) {
        const size_t at = next(random, i + 1);
        docs[i] = docs[at];
        docs[at] = &w->docs[i];
    }
    for (size_t at = 0, n_docs; at < w->n; at += n_docs) {
        n_docs = next(random, 12);
        n_docs = n_docs < w->n - at ? n_docs : w->n - at;
        struct trigrams **to = &wholes[next(random, n)];
        run_unit(worker, w, docs + at, n_docs, random);
        assert_int_equal(trigrams_merge(*to, worker, NULL), 0);
        if (next(random, 6) == 0) {
            struct trigrams *again = reload(*to);
            trigrams_free(*to);
            *to = again;
        }
    }
    for (; n > 1; n--) {
        const size_t from = next(random, n), to = (from + 1) % n;
        assert_int_equal(trigrams_merge(wholes[to], wholes[from], NULL), 0);
        trigrams_free(wholes[from]);
        wholes[from] = wholes[n - 1];
    }
    trigrams_free(worker);
    return wholes[0];
}
