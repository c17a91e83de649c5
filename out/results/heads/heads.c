#include "out/results/heads/heads.h"

#include <stdlib.h>
#include <string.h>

#include "out/results/varints.h"

#define MAGIC UINT64_C(0x3145485347) // "GSHE1"

// --- units --------------------------------------------------------------------------------------

double heads_unit(enum head_moment m)
{
    switch (m) {
    case HEAD_DISTANCE:
        return 16;
    case HEAD_OUT_NORM:
    case HEAD_DLA:
        return HEADS_DLA_UNIT;
    default:
        return (double)FIXED_ONE;
    }
}

float heads_most(enum head_moment m)
{
    return m == HEAD_DISTANCE || m == HEAD_OUT_NORM || m == HEAD_DLA ? 0x1p20f : 0x1p10f;
}

// --- the whole ----------------------------------------------------------------------------------

int heads_new(struct heads **out, const struct heads_shape *s, struct err *err)
{
    struct heads *h = mem_zero(1, sizeof *h);
    if (!h) {
        return err_nomem(err, "heads");
    }
    h->shape = s;
    h->sums = mem_zero(s->n, sizeof *h->sums);
    h->labels = mem_zero(s->n * s->n_hypotheses, sizeof *h->labels);
    h->lists = mem_zero(HEADS_LISTS * s->n, sizeof *h->lists);
    if (!h->sums || !h->labels || !h->lists) {
        heads_free(h);
        return err_nomem(err, "heads");
    }
    *out = h;
    return 0;
}

void heads_free(struct heads *h)
{
    if (!h) {
        return;
    }
    for (size_t i = 0; h->lists && i < HEADS_LISTS * h->shape->n; i++) {
        example_list_free(&h->lists[i]);
    }
    free(h->sums);
    free(h->labels);
    free(h->lists);
    free(h);
}

void heads_clear(struct heads *h)
{
    const struct heads_shape *s = h->shape;
    memset(h->sums, 0, s->n * sizeof *h->sums);
    if (s->n_hypotheses > 0) {
        memset(h->labels, 0, s->n * s->n_hypotheses * sizeof *h->labels);
    }
    for (size_t i = 0; i < HEADS_LISTS * s->n; i++) {
        example_list_clear(&h->lists[i]);
    }
}

static void add_sums(struct heads_sums *a, const struct heads_sums *b)
{
    a->n += b->n;
    a->n_repeat += b->n_repeat;
    a->n_beyond += b->n_beyond;
    for (size_t k = 0; k < HEADS_SUMS; k++) {
        a->sums[k] = fixed_sum(a->sums[k], b->sums[k]);
    }
    moments_merge(&a->dla, &b->dla);
}

static void add_label(struct heads_label *a, const struct heads_label *b)
{
    a->n += b->n;
    a->n_all += b->n_all;
    a->n_to += b->n_to;
    a->dla = fixed_sum(a->dla, b->dla);
    a->dla_all = fixed_sum(a->dla_all, b->dla_all);
    a->to = fixed_sum(a->to, b->to);
}

int heads_merge(struct heads *to, struct heads *from, struct err *err)
{
    const struct heads_shape *s = to->shape;
    int rc = 0;
    for (size_t i = 0; i < s->n; i++) {
        add_sums(&to->sums[i], &from->sums[i]);
    }
    for (size_t i = 0; i < s->n * s->n_hypotheses; i++) {
        add_label(&to->labels[i], &from->labels[i]);
    }
    for (size_t i = 0; i < HEADS_LISTS * s->n && !rc; i++) {
        rc = example_list_take(&to->lists[i], &from->lists[i], s->examples, err);
    }
    return rc;
}

// --- bytes --------------------------------------------------------------------------------------

static void put_signed(struct varints_writer *w, __int128 value)
{
    varints_room(w, 1);
    if (!w->rc) {
        varints_next(w->to, varints_zigzag(value));
    }
}

static void put_moments(struct varints_writer *w, const struct moments *m)
{
    varints_put(w, m->docs);
    varints_put(w, m->n);
    put_signed(w, m->sum);
    put_signed(w, m->sum_sq);
    put_signed(w, m->sum_n);
    put_signed(w, m->n_sq);
    varints_put(w, m->sum_sq_high);
}

int heads_save(const struct heads *h, struct buf *out, struct err *err)
{
    struct varints_writer w = {.to = out, .err = err};
    varints_put(&w, MAGIC);
    varints_put(&w, h->shape->n);
    varints_put(&w, h->shape->n_hypotheses);
    for (size_t i = 0; i < h->shape->n; i++) {
        const struct heads_sums *s = &h->sums[i];
        varints_put(&w, s->n);
        varints_put(&w, s->n_repeat);
        varints_put(&w, s->n_beyond);
        for (size_t k = 0; k < HEADS_SUMS; k++) {
            put_signed(&w, s->sums[k]);
        }
        put_moments(&w, &s->dla);
    }
    for (size_t i = 0; i < h->shape->n * h->shape->n_hypotheses; i++) {
        const struct heads_label *l = &h->labels[i];
        varints_put(&w, l->n);
        varints_put(&w, l->n_all);
        varints_put(&w, l->n_to);
        put_signed(&w, l->dla);
        put_signed(&w, l->dla_all);
        put_signed(&w, l->to);
    }
    varints_put_lists(&w, h->lists, HEADS_LISTS * h->shape->n, VARINTS_WHOLE);
    return w.rc;
}

/* Any number of 128 bits. */
static __int128 get_signed(struct varints_reader *r)
{
    const unsigned __int128 x = varints_get_wide(r, "a sum");
    return (__int128)(x >> 1) ^ -(__int128)(x & 1);
}

static void get_moments(struct varints_reader *r, struct moments *m)
{
    m->docs = varints_get(r, UINT64_MAX, "documents");
    m->n = varints_get(r, UINT64_MAX, "tokens");
    m->sum = get_signed(r);
    m->sum_sq = get_signed(r);
    m->sum_n = get_signed(r);
    m->n_sq = get_signed(r);
    m->sum_sq_high = varints_get(r, UINT64_MAX, "a sum");
}

int heads_load(struct heads *h, const void *bytes, size_t len, struct err *err)
{
    struct varints_reader r = {.at = bytes, .left = len, .of = "heads", .err = err};
    varints_want(&r, MAGIC, "the beginning");
    varints_want(&r, h->shape->n, "heads");
    varints_want(&r, h->shape->n_hypotheses, "hypotheses");
    for (size_t i = 0; i < h->shape->n && !r.rc; i++) {
        struct heads_sums *s = &h->sums[i];
        s->n = varints_get(&r, UINT64_MAX, "tokens");
        s->n_repeat = varints_get(&r, UINT64_MAX, "tokens");
        s->n_beyond = varints_get(&r, UINT64_MAX, "tokens");
        for (size_t k = 0; k < HEADS_SUMS; k++) {
            s->sums[k] = get_signed(&r);
        }
        get_moments(&r, &s->dla);
    }
    for (size_t i = 0; i < h->shape->n * h->shape->n_hypotheses && !r.rc; i++) {
        struct heads_label *l = &h->labels[i];
        l->n = varints_get(&r, UINT64_MAX, "predictions");
        l->n_all = varints_get(&r, UINT64_MAX, "predictions");
        l->n_to = varints_get(&r, UINT64_MAX, "tokens");
        l->dla = get_signed(&r);
        l->dla_all = get_signed(&r);
        l->to = get_signed(&r);
    }
    varints_get_lists(&r, h->lists, HEADS_LISTS * h->shape->n, h->shape->examples, 0,
                      HEADS_SOURCES * 3, VARINTS_WHOLE);
    if (!r.rc && r.left > 0) {
        varints_bad(&r, "something follows it");
    }
    return r.rc;
}
