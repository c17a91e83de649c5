/*
 * As bytes, numbers and lists being those of varints.h: magic, how many cells, models, pairs; per
 * cell its sums; per pair its list.
 */
#include "out/results/skips/skip_sums.h"

#include <stdlib.h>

#include "out/results/varints.h"

#define MAGIC UINT64_C(0x314b535347) // "GSSK1"

int skip_sums_new(struct skip_sums **out, const struct skip_shape *s, struct err *err)
{
    struct skip_sums *k = mem_zero(1, sizeof *k);
    if (!k) {
        return err_nomem(err, "skip-trigrams");
    }
    k->shape = s;
    k->rows = mem_zero(s->n_cells, skip_row(s->n_models) * sizeof *k->rows);
    k->places = mem_zero(s->n_pairs, sizeof *k->places);
    if (!k->rows || !k->places) {
        skip_sums_free(k);
        return err_nomem(err, "skip-trigrams");
    }
    *out = k;
    return 0;
}

void skip_sums_free(struct skip_sums *k)
{
    if (!k) {
        return;
    }
    for (size_t p = 0; k->places && p < k->shape->n_pairs; p++) {
        example_list_free(&k->places[p]);
    }
    free(k->places);
    free(k->rows);
    free(k);
}

int skip_sums_merge(struct skip_sums *to, struct skip_sums *from, struct err *err)
{
    const size_t n = to->shape->n_cells * skip_row(to->shape->n_models);
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        moments_merge(&to->rows[i], &from->rows[i]);
    }
    for (size_t p = 0; p < to->shape->n_pairs && !rc; p++) {
        rc = example_list_take(&to->places[p], &from->places[p], SKIP_PLACES, err);
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

/* At least 0 and below 2^126. */
static void put_square(struct varints_writer *w, __int128 value)
{
    varints_room(w, 1);
    if (!w->rc) {
        varints_next(w->to, (unsigned __int128)value);
    }
}

static __int128 get_square(struct varints_reader *r)
{
    const unsigned __int128 value = varints_get_wide(r, "a sum of squares");
    if (value >> 126) {
        varints_bad(r, "a sum of squares");
        return 0;
    }
    return (__int128)value;
}

static void put_moments(struct varints_writer *w, const struct moments *m)
{
    varints_put(w, m->docs);
    if (m->docs == 0) {
        return;
    }
    varints_put(w, m->n);
    put_signed(w, m->sum);
    put_square(w, m->sum_sq);
    put_signed(w, m->sum_n);
    put_signed(w, m->n_sq);
    varints_put(w, m->sum_sq_high);
}

static void get_moments(struct varints_reader *r, struct moments *m)
{
    m->docs = varints_get(r, UINT64_MAX, "documents");
    if (m->docs == 0) {
        return;
    }
    m->n = varints_get(r, UINT64_MAX, "places");
    m->sum = varints_get_signed(r, "a sum");
    m->sum_sq = get_square(r);
    m->sum_n = varints_get_signed(r, "a sum");
    m->n_sq = varints_get_signed(r, "a sum");
    m->sum_sq_high = varints_get(r, UINT64_MAX, "a sum");
}

int skip_sums_save(const struct skip_sums *k, struct buf *out, struct err *err)
{
    const struct skip_shape *s = k->shape;
    const size_t before = out->len;
    struct varints_writer w = {.to = out, .err = err};
    const uint64_t head[] = {MAGIC, s->n_cells, s->n_models, s->n_pairs};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        varints_put(&w, head[i]);
    }
    for (size_t i = 0; i < s->n_cells * skip_row(s->n_models); i++) {
        put_moments(&w, &k->rows[i]);
    }
    for (size_t p = 0; p < s->n_pairs; p++) {
        varints_put_list(&w, &k->places[p]);
    }
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

int skip_sums_load(struct skip_sums *k, const void *bytes, size_t len, struct err *err)
{
    const struct skip_shape *s = k->shape;
    struct varints_reader r = {.at = bytes, .left = len, .of = "skip-trigrams", .err = err};
    const uint64_t head[] = {MAGIC, s->n_cells, s->n_models, s->n_pairs};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        varints_want(&r, head[i], "the beginning");
    }
    for (size_t i = 0; i < s->n_cells * skip_row(s->n_models) && !r.rc; i++) {
        get_moments(&r, &k->rows[i]);
    }
    for (size_t p = 0; p < s->n_pairs && !r.rc; p++) {
        varints_get_list(&r, &k->places[p], SKIP_PLACES, 0, s->n_models);
    }
    if (!r.rc && r.left > 0) {
        varints_bad(&r, "something follows it");
    }
    return r.rc;
}

// --- means --------------------------------------------------------------------------------------

const struct moments *skip_follows(const struct skip_sums *k, size_t cell)
{
    return &k->rows[cell * skip_row(k->shape->n_models)];
}

struct skip_mean skip_rate(const struct skip_sums *k, size_t cell)
{
    const struct moments *m = skip_follows(k, cell);
    return (struct skip_mean){moments_mean(m), moments_se(m)};
}

struct skip_mean skip_mean(const struct skip_sums *k, size_t cell, size_t model, enum skip_sum sum)
{
    const struct moments *m = skip_follows(k, cell) + skip_at(model, sum);
    const double unit = sum == SKIP_P || sum == SKIP_P_LESS ? SKIP_P_ONE / (double)FIXED_ONE : 1;
    return (struct skip_mean){moments_mean(m) / unit, moments_se(m) / unit};
}
