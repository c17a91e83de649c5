/*
 * trigrams_shape_bytes.c - the trigrams that a run looks for: of the run, saved, compared
 *
 * Saved in the form of bytes.h: the trigrams, each with its tokens, counts, probabilities, fillers.
 */
#include "out/results/trigrams/trigrams.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"
#include "out/results/neurons/neurons.h"
#include "out/results/run.h"

/* The layers of the run's neurons: sizes of [*n_layers], and where each model's begin. */
static int list_layers(const struct run *run, size_t **sizes, size_t *n_layers, size_t *n_neurons,
                       size_t *first_layers, struct err *err)
{
    const struct neurons_ask ask = {0};
    struct neurons_shape *neurons = NULL;
    int rc = neurons_shape_make(&neurons, run, &ask, err);
    *n_layers = neurons ? neurons->n_layers : 0;
    *n_neurons = neurons ? neurons->n : 0;
    *sizes = mem_new(*n_layers, sizeof **sizes);
    if (!rc && !*sizes) {
        rc = err_nomem(err, "trigrams");
    }
    for (size_t l = 0; l < *n_layers && !rc; l++) {
        (*sizes)[l] = neurons->layers[l].n;
    }
    for (size_t m = 0; m < run->n_models; m++) {
        first_layers[m] = neurons_first_layer(neurons, m);
    }
    neurons_shape_free(neurons);
    return rc;
}

int trigrams_shape_of(struct trigrams_shape **out, const struct run *run,
                      const struct trigram *items, size_t n, struct err *err)
{
    size_t *sizes = NULL, n_layers = 0, n_neurons = 0;
    struct trigrams_shape *s = NULL;
    size_t *first_layers = mem_new(run->n_models, sizeof *first_layers);
    int rc = first_layers ? 0 : err_nomem(err, "trigrams");
    rc = rc ? rc : list_layers(run, &sizes, &n_layers, &n_neurons, first_layers, err);
    rc = rc ? rc
            : trigrams_shape_make(&s, items, n, run_full_models(run), run_full_pairs(run), sizes,
                                  n_layers, err);
    free(sizes);
    if (rc) {
        free(first_layers);
        return rc;
    }
    s->first_layers = first_layers;
    s->pairs = run->pairs;
    s->floor = run->floor;
    if (n_neurons > 0 && s->n_groups > TRIGRAMS_SUMS_MAX / n_neurons) {
        rc = err_set(err, ERR_LIMIT,
                     "%zu trigrams of %zu groups of tokens are too many for %zu neurons", n,
                     s->n_groups, n_neurons);
        trigrams_shape_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

int trigrams_shape_same(const struct trigrams_shape *a, const struct trigrams_shape *b,
                        struct err *why)
{
    if (a->n != b->n) {
        return err_set(why, ERR_MISMATCH, "number of trigrams: one has %zu, the other %zu", a->n,
                       b->n);
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct trigram *x = &a->items[i], *y = &b->items[i];
        if (x->a != y->a || x->b != y->b || x->c != y->c) {
            return err_set(why, ERR_MISMATCH, "trigram %zu: not the same tokens", i);
        }
    }
    return 0;
}

static void put_trigrams(struct bytes_writer *w, const struct trigrams_shape *s)
{
    bytes_put(w, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct trigram *t = &s->items[i];
        const uint64_t numbers[] = {t->a,        t->b,        t->c,       t->count,
                                    t->count_ab, t->count_bc, t->count_b, t->count_c};
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            bytes_put(w, numbers[k]);
        }
        bytes_put_real(w, t->p);
        bytes_put_real(w, t->p_bigram);
        for (size_t k = 0; k < TRIGRAM_SKIPS; k++) {
            bytes_put_real(w, t->p_skip[k]);
        }
        bytes_put_real(w, t->p_added);
        for (size_t side = 0; side < 2; side++) {
            bytes_put(w, t->n_fillers[side]);
            for (size_t k = 0; k < t->n_fillers[side]; k++) {
                bytes_put(w, t->fillers[side][k]);
            }
        }
    }
}

int trigrams_shape_save(const struct trigrams_shape *s, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    put_trigrams(&w, s);
    return w.rc;
}

/* d_vocab: ids that every model has. */
static void get_trigram(struct bytes_reader *r, struct trigram *t, size_t d_vocab)
{
    uint32_t *const ids[] = {&t->a, &t->b, &t->c};
    uint64_t *const counts[] = {&t->count, &t->count_ab, &t->count_bc, &t->count_b, &t->count_c};
    for (size_t k = 0; k < 3; k++) {
        *ids[k] = (uint32_t)bytes_get(r, 0, d_vocab - 1, "a trigram's token");
    }
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        *counts[k] = bytes_get(r, 0, UINT64_MAX, "a trigram's count");
    }
    t->p = bytes_get_real(r, "a trigram's probability");
    t->p_bigram = bytes_get_real(r, "a trigram's probability");
    for (size_t k = 0; k < TRIGRAM_SKIPS; k++) {
        t->p_skip[k] = bytes_get_real(r, "a trigram's probability");
    }
    t->p_added = bytes_get_real(r, "a trigram's probability");
    for (size_t side = 0; side < 2; side++) {
        t->n_fillers[side] = (uint32_t)bytes_get(r, 0, TRIGRAM_FILLERS, "a trigram's fillers");
        for (size_t k = 0; k < t->n_fillers[side]; k++) {
            t->fillers[side][k] = (uint32_t)bytes_get(r, 0, d_vocab - 1, "a filler");
        }
    }
}

int trigrams_shape_load(struct trigrams_shape **out, const struct run *run, const void *bytes,
                        size_t len, struct err *err)
{
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved run", .err = err};
    const size_t d_vocab = run_d_vocab(run);
    size_t n = bytes_get_n(&r, TRIGRAMS_MAX, 17 * 8, "number of trigrams");
    struct trigram *items = bytes_get_room(&r, n, sizeof *items, &n, "trigrams");
    for (size_t i = 0; i < n; i++) {
        get_trigram(&r, &items[i], d_vocab);
    }
    if (!r.rc && (n == 0 || r.left > 0)) {
        bytes_bad(&r, "its trigrams");
    }
    const int rc = r.rc ? 0 : trigrams_shape_of(out, run, items, n, err);
    if (rc == ERR_NOMEM) {
        r.rc = rc;
    } else if (rc) { // two are the same, or too many for its neurons
        bytes_bad(&r, "its trigrams");
    }
    free(items);
    return r.rc;
}
