/*
 * As bytes, numbers and lists being those of varints.h, signed ones zigzag: magic, how many items,
 * models, pairs, groups, layers; per item its places, documents, log-probs and how many, gaps,
 * lists; per group its tokens; per layer and group the sums of its neurons, or nothing where it has
 * no token.
 */
#include "out/results/trigrams/trigrams.h"

#include "out/results/varints.h"

#define MAGIC UINT64_C(0x325254475347) // "GSGTR2"

static void put_signed(struct varints_writer *w, __int128 value)
{
    varints_room(w, 1);
    if (!w->rc) {
        varints_next(w->to, varints_zigzag(value));
    }
}

static void put_item(struct varints_writer *w, const struct trigrams *t, size_t i)
{
    const struct trigrams_shape *s = t->shape;
    varints_put(w, t->items[i].n);
    varints_put(w, t->items[i].docs);
    for (size_t m = 0; m < s->n_models; m++) {
        put_signed(w, t->logprob[i * s->n_models + m]);
        varints_put(w, t->logprob_n[i * s->n_models + m]);
    }
    for (size_t p = 0; p < s->n_pairs; p++) {
        const struct moments *m = &t->gap[i * s->n_pairs + p];
        varints_put(w, m->docs);
        varints_put(w, m->n);
        put_signed(w, m->sum);
        put_signed(w, m->sum_sq);
        put_signed(w, m->sum_n);
        put_signed(w, m->n_sq);
        varints_put(w, m->sum_sq_high);
    }
    varints_put_list(w, &t->items[i].places);
    varints_put_list(w, &t->items[i].elsewhere);
}

static void put_sums(struct varints_writer *w, const int64_t *sums, size_t n)
{
    varints_room(w, n);
    for (size_t i = 0; i < n && !w->rc; i++) {
        varints_next(w->to, varints_zigzag(sums[i]) & UINT64_MAX);
    }
}

int trigrams_save(const struct trigrams *t, struct buf *out, struct err *err)
{
    const struct trigrams_shape *s = t->shape;
    const size_t before = out->len;
    struct varints_writer w = {.to = out, .err = err};
    const uint64_t head[] = {MAGIC, s->n, s->n_models, s->n_pairs, s->n_groups, s->n_layers};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        varints_put(&w, head[i]);
    }
    for (size_t i = 0; i < s->n; i++) {
        put_item(&w, t, i);
    }
    for (size_t g = 0; g < s->n_groups; g++) {
        varints_put(&w, t->tokens[g]);
    }
    for (size_t l = 0; l < s->n_layers; l++) {
        for (size_t g = 0; g < s->n_groups; g++) {
            put_sums(&w, t->sums[l] + g * s->layers[l], t->tokens[g] ? s->layers[l] : 0);
        }
    }
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

static void get_moments(struct varints_reader *r, struct moments *m)
{
    m->docs = varints_get(r, UINT64_MAX, "documents");
    m->n = varints_get(r, UINT64_MAX, "places");
    m->sum = varints_get_signed(r, "a gap");
    m->sum_sq = varints_get_signed(r, "a gap");
    m->sum_n = varints_get_signed(r, "a gap");
    m->n_sq = varints_get_signed(r, "a gap");
    m->sum_sq_high = varints_get(r, UINT64_MAX, "a gap");
}

static void get_item(struct varints_reader *r, struct trigrams *t, size_t i)
{
    const struct trigrams_shape *s = t->shape;
    t->items[i].n = varints_get(r, UINT64_MAX, "places");
    t->items[i].docs = varints_get(r, UINT64_MAX, "documents");
    for (size_t m = 0; m < s->n_models; m++) {
        t->logprob[i * s->n_models + m] = varints_get_signed(r, "a log-prob");
        t->logprob_n[i * s->n_models + m] = varints_get(r, UINT64_MAX, "places");
    }
    for (size_t p = 0; p < s->n_pairs; p++) {
        get_moments(r, &t->gap[i * s->n_pairs + p]);
    }
    varints_get_list(r, &t->items[i].places, TRIGRAM_PLACES, 0, s->n_models);
    varints_get_list(r, &t->items[i].elsewhere, TRIGRAM_ELSEWHERE, 0, s->n_models);
}

static void get_sums(struct varints_reader *r, int64_t *sums, size_t n)
{
    for (size_t i = 0; i < n && !r->rc; i++) {
        const uint64_t value = varints_get(r, UINT64_MAX, "a sum");
        sums[i] = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
    }
}

int trigrams_load(struct trigrams *t, const void *bytes, size_t len, struct err *err)
{
    const struct trigrams_shape *s = t->shape;
    struct varints_reader r = {.at = bytes, .left = len, .of = "trigrams", .err = err};
    const uint64_t head[] = {MAGIC, s->n, s->n_models, s->n_pairs, s->n_groups, s->n_layers};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        varints_want(&r, head[i], "the beginning");
    }
    for (size_t i = 0; i < s->n && !r.rc; i++) {
        get_item(&r, t, i);
    }
    for (size_t g = 0; g < s->n_groups && !r.rc; g++) {
        t->tokens[g] = varints_get(&r, UINT64_MAX, "tokens");
    }
    for (size_t l = 0; l < s->n_layers && !r.rc; l++) {
        for (size_t g = 0; g < s->n_groups && !r.rc; g++) {
            get_sums(&r, t->sums[l] + g * s->layers[l], t->tokens[g] ? s->layers[l] : 0);
        }
    }
    if (!r.rc && r.left > 0) {
        varints_bad(&r, "something follows it");
    }
    return r.rc;
}
