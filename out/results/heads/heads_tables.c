#include "out/results/heads/heads_tables.h"

/* The mean of a moment over n tokens. */
static void put_mean(struct rows *w, const struct heads_sums *s, enum head_moment m, uint64_t n)
{
    rows_ratio(w, (double)s->sums[m] / heads_unit(m), (double)n);
}

/* Means and standard errors of moments are in units of FIXED_ONE. */
static double dla_of(double value)
{
    return value * ((double)FIXED_ONE / HEADS_DLA_UNIT);
}

static void put_head(struct rows *w, const struct heads_sums *s, const struct heads_scores *of)
{
    rows_u64(w, s->n);
    rows_u64(w, s->dla.n);
    rows_u64(w, s->n_repeat);
    rows_u64(w, s->n_beyond);
    put_mean(w, s, HEAD_TO_BOS, s->n);
    put_mean(w, s, HEAD_TO_SELF, s->n);
    put_mean(w, s, HEAD_TO_PREVIOUS, s->n);
    put_mean(w, s, HEAD_TO_DUPLICATE, s->n_repeat);
    put_mean(w, s, HEAD_TO_INDUCTION, s->n_repeat);
    put_mean(w, s, HEAD_ENTROPY, s->n);
    put_mean(w, s, HEAD_DISTANCE, s->n);
    put_mean(w, s, HEAD_OUT_NORM, s->n);
    rows_real(w, dla_of(moments_mean(&s->dla)));
    rows_real(w, dla_of(moments_se(&s->dla)));
    rows_real(w, of->copying);
    rows_real(w, of->copying_raw);
    rows_real(w, of->previous_token);
    rows_real(w, of->duplicate_token);
    rows_real(w, of->induction);
    rows_real(w, of->bos);
    rows_real(w, of->self);
    rows_text(w, of->kind);
}

int heads_write_tables(const struct sql *sql, const struct heads *h, struct err *err)
{
    const struct heads_shape *s = h->shape;
    struct rows w;
    rows_anew(&w, sql, "DELETE FROM head",
              "INSERT INTO head VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t l = 0; l < s->n_layers; l++) {
        for (size_t i = 0; i < s->layers[l].n && !w.rc; i++) {
            rows_u64(&w, s->layers[l].model);
            rows_u64(&w, s->layers[l].layer);
            rows_u64(&w, i);
            put_head(&w, &h->sums[s->layers[l].first + i], &s->scores[s->layers[l].first + i]);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}
