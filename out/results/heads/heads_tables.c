#include "out/results/heads/heads_tables.h"

#include <math.h>

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

static void put_id(struct rows *w, const struct heads_layer *l, size_t i)
{
    rows_u64(w, l->model);
    rows_u64(w, l->layer);
    rows_u64(w, i);
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

static int write_heads(const struct sql *sql, const struct heads *h, struct err *err)
{
    const struct heads_shape *s = h->shape;
    struct rows w;
    rows_anew(&w, sql, "DELETE FROM head",
              "INSERT INTO head VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t l = 0; l < s->n_layers; l++) {
        for (size_t i = 0; i < s->layers[l].n && !w.rc; i++) {
            put_id(&w, &s->layers[l], i);
            put_head(&w, &h->sums[s->layers[l].first + i], &s->scores[s->layers[l].first + i]);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

// --- examples -----------------------------------------------------------------------------------

/* [[back, id, attention], ...]; what is no such list, of a damaged file, ends it. */
static int sources_json(struct buf *b, const float *at, struct err *err)
{
    b->len = 0;
    int rc = buf_append(b, "[", 1, err);
    for (size_t k = 0; k < HEADS_SOURCES && at[0] >= 0 && at[0] < 0x1p24f && at[1] >= 0 &&
                       at[1] < 0x1p24f && isfinite(at[2]) && !rc;
         k++, at += 3) {
        rc = buf_printf(b, err, "%s[%.0f,%.0f,%.4g]", k > 0 ? "," : "", (double)at[0],
                        (double)at[1], (double)at[2]);
    }
    return rc ? rc : buf_append(b, "]", 2, err); // with its NUL
}

static void put_example(struct rows *w, const struct example *e, struct buf json[2])
{
    rows_real(w, (double)e->activation);
    rows_u64(w, e->shard);
    rows_u64(w, e->doc);
    rows_u64(w, e->byte_start);
    rows_u64(w, e->byte_end);
    rows_u64(w, e->before);
    rows_u32s(w, &json[0], e->ids, e->n_tokens);
    w->rc = w->rc ? w->rc : sources_json(&json[1], e->acts, w->err);
    rows_text(w, json[1].data);
}

static int write_examples(const struct sql *sql, const struct heads *h, struct err *err)
{
    static const char *const kinds[HEADS_LISTS] = {"helps", "hurts", "random"};
    const struct heads_shape *s = h->shape;
    struct buf json[2] = {{0}};
    struct rows w;
    rows_anew(&w, sql, "DELETE FROM head_example",
              "INSERT INTO head_example VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t l = 0; l < s->n_layers; l++) {
        for (size_t i = 0; i < HEADS_LISTS * s->layers[l].n; i++) {
            const size_t kind = i / s->layers[l].n, head = i % s->layers[l].n;
            const struct example_list *list = &h->lists[kind * s->n + s->layers[l].first + head];
            for (uint32_t k = 0; k < list->n && !w.rc; k++) {
                put_id(&w, &s->layers[l], head);
                rows_text(&w, kinds[kind]);
                rows_u64(&w, k + 1);
                put_example(&w, &list->items[k], json);
                rows_next(&w);
            }
        }
    }
    buf_free(&json[0]);
    buf_free(&json[1]);
    return rows_close(&w);
}

// --- labels -------------------------------------------------------------------------------------

static int write_labels(const struct sql *sql, const struct heads *h, struct err *err)
{
    const struct heads_shape *s = h->shape;
    struct rows w;
    rows_anew(&w, sql, "DELETE FROM head_label", "INSERT INTO head_label VALUES(?,?,?,?,?,?,?,?)",
              err);
    for (size_t k = 0; k < s->n_hypotheses; k++) {
        for (size_t l = 0; l < s->n_layers; l++) {
            for (size_t i = 0; i < s->layers[l].n && !w.rc; i++) {
                const struct heads_label *x =
                    &h->labels[(s->layers[l].first + i) * s->n_hypotheses + k];
                const __int128 rest =
                    (__int128)((unsigned __int128)x->dla_all - (unsigned __int128)x->dla);
                rows_u64(&w, k);
                put_id(&w, &s->layers[l], i);
                rows_u64(&w, x->n);
                rows_ratio(&w, (double)x->dla / HEADS_DLA_UNIT, (double)x->n);
                rows_ratio(&w, (double)rest / HEADS_DLA_UNIT, (double)(x->n_all - x->n));
                rows_ratio(&w, (double)x->to / (double)FIXED_ONE, (double)x->n_to);
                rows_next(&w);
            }
        }
    }
    return rows_close(&w);
}

int heads_write_tables(const struct sql *sql, const struct heads *h, struct err *err)
{
    int rc = write_heads(sql, h, err);
    rc = rc ? rc : write_examples(sql, h, err);
    return rc ? rc : write_labels(sql, h, err);
}
