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
    if (!h->sums) {
        heads_free(h);
        return err_nomem(err, "heads");
    }
    *out = h;
    return 0;
}

void heads_free(struct heads *h)
{
    if (h) {
        free(h->sums);
        free(h);
    }
}

void heads_add_sums(struct heads *to, const struct heads_sums *sums)
{
    for (size_t i = 0; i < to->shape->n; i++) {
        struct heads_sums *a = &to->sums[i];
        const struct heads_sums *b = &sums[i];
        a->n += b->n;
        a->n_repeat += b->n_repeat;
        a->n_beyond += b->n_beyond;
        for (size_t k = 0; k < HEADS_SUMS; k++) {
            a->sums[k] = fixed_sum(a->sums[k], b->sums[k]);
        }
        moments_merge(&a->dla, &b->dla);
    }
}

int heads_merge(struct heads *to, struct heads *from, struct err *err)
{
    (void)err;
    heads_add_sums(to, from->sums);
    return 0;
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
    if (!r.rc && r.left > 0) {
        varints_bad(&r, "something follows it");
    }
    return r.rc;
}
