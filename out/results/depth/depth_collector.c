#include "out/results/depth/depth_collector.h"

#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"
#include "out/results/doc_share.h"
#include "out/results/fixed.h"
#include "out/sql/sql.h"

#define MAGIC UINT64_C(0x3145445347) // "GSDE1"

struct of_model {
    uint32_t model;
    size_t n_layers;
    size_t first; // its row of k = 0; it has n_layers + 1
};

struct depth_shape {
    uint32_t take, of;
    struct of_model *models; // [n_models]
    size_t n_models;
    size_t n; // rows: a model and a k
};

struct depth_sums {
    struct moments logprob;
    uint64_t n_not_finite;
};

/* The whole; and what a worker makes of a unit. */
struct depths {
    const struct depth_shape *shape;
    struct depth_sums *sums; // [n]
};

struct part {
    struct depths found;
    const struct unit_tokens *unit;
    size_t *tokens;  // of the share
    double *logprob; // [n_layers + 1][of these tokens]
    size_t tokens_cap, logprob_cap;
};

// --- the shape ----------------------------------------------------------------------------------

int depth_shape_new(struct depth_shape **out, const struct run *run, uint32_t take, uint32_t of,
                    struct err *err)
{
    struct depth_shape *s = mem_zero(1, sizeof *s);
    *out = NULL;
    if (!s || !(s->models = mem_zero(run->n_models, sizeof *s->models))) {
        depth_shape_free(s);
        return err_nomem(err, "depths");
    }
    s->take = take;
    s->of = of;
    for (size_t i = 0; i < run->n_models; i++) {
        const struct run_model *m = &run->models[i];
        if (m->n_components > 0 && !run_model_is_changed(m) && strcmp(m->act_fn, "none") == 0) {
            s->models[s->n_models++] =
                (struct of_model){.model = (uint32_t)i, .n_layers = m->n_layers, .first = s->n};
            s->n += m->n_layers + 1;
        }
    }
    if (s->n_models == 0) {
        depth_shape_free(s);
        return 0;
    }
    *out = s;
    return 0;
}

void depth_shape_free(struct depth_shape *s)
{
    if (s) {
        free(s->models);
        free(s);
    }
}

static void shape_free(void *shape)
{
    depth_shape_free(shape);
}

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct bytes_reader r = {.at = saved, .left = len, .of = "the saved depths", .err = err};
    struct depth_shape *s = NULL;
    if (!saved) {
        return 0; // whoever makes the run joins it
    }
    const uint32_t of = (uint32_t)bytes_get(&r, 0, DEPTH_SHARE_MAX, "their share");
    const uint32_t take = (uint32_t)bytes_get(&r, of > 0, of, "their share");
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "their share");
    }
    int rc = r.rc ? r.rc : depth_shape_new(&s, run, take, of, err);
    if (!rc && !s) {
        bytes_bad(&r, "there is no attention-only model");
        rc = r.rc;
    }
    *out = s;
    return rc;
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    const struct depth_shape *s = shape;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, s->of);
    bytes_put(&w, s->take);
    return w.rc;
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    (void)fixed;
    const struct depth_shape *x = a, *y = b;
    return x->take == y->take && x->of == y->of
               ? 0
               : err_set(why, ERR_MISMATCH, "depth: one has a share of %u/%u, the other %u/%u",
                         x->take, x->of, y->take, y->of);
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    return buf_printf(out, err, "%zu depths of composition",
                      ((const struct depth_shape *)shape)->n);
}

/* A worker also has, for each model, its attention weights once more, and a stream, values and z for
 * each layer. */
static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    const struct depth_shape *s = shape;
    out->whole = s->n * sizeof(struct depth_sums);
    out->part = 2 * out->whole;
    for (size_t i = 0; i < s->n_models; i++) {
        const struct run_model *m = &run->models[s->models[i].model];
        const uint64_t rows = m->n_ctx > 1024 ? m->n_ctx : 1024, d = m->d_model;
        out->part += 4 * (m->n_layers * d * (2 * d + 3 * rows) + 4 * rows * d);
    }
}

// --- the whole ----------------------------------------------------------------------------------

static void whole_free(void *whole)
{
    struct depths *d = whole;
    if (d) {
        free(d->sums);
        free(d);
    }
}

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct depths *d = mem_zero(1, sizeof *d);
    if (!d) {
        return err_nomem(err, "depths");
    }
    d->shape = shape;
    d->sums = mem_zero(d->shape->n, sizeof *d->sums);
    if (!d->sums) {
        whole_free(d);
        return err_nomem(err, "depths");
    }
    *out = d;
    return 0;
}

static void add_sums(struct depths *to, const struct depths *from)
{
    for (size_t i = 0; i < to->shape->n; i++) {
        moments_merge(&to->sums[i].logprob, &from->sums[i].logprob);
        to->sums[i].n_not_finite += from->sums[i].n_not_finite;
    }
}

static int add(void *whole, void *part, struct err *err)
{
    (void)err;
    add_sums(whole, &((struct part *)part)->found);
    return 0;
}

static int merge(void *whole, void *from, struct err *err)
{
    (void)err;
    add_sums(whole, from);
    return 0;
}

static void put_wide(struct bytes_writer *w, __int128 value)
{
    bytes_put(w, (uint64_t)value);
    bytes_put(w, (uint64_t)((unsigned __int128)value >> 64));
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece; // there is one
    const struct depths *d = whole;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, MAGIC);
    bytes_put(&w, d->shape->n);
    for (size_t i = 0; i < d->shape->n; i++) {
        const struct moments *m = &d->sums[i].logprob;
        bytes_put(&w, d->sums[i].n_not_finite);
        bytes_put(&w, m->docs);
        bytes_put(&w, m->n);
        put_wide(&w, m->sum);
        put_wide(&w, m->sum_sq);
        put_wide(&w, m->sum_n);
        put_wide(&w, m->n_sq);
        bytes_put(&w, m->sum_sq_high);
    }
    return w.rc;
}

static __int128 get_wide(struct bytes_reader *r)
{
    const uint64_t low = bytes_get(r, 0, UINT64_MAX, "a sum");
    return (__int128)((unsigned __int128)bytes_get(r, 0, UINT64_MAX, "a sum") << 64 | low);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    struct depths *d = whole;
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved depths", .err = err};
    bytes_get(&r, MAGIC, MAGIC, "the beginning");
    bytes_get(&r, d->shape->n, d->shape->n, "their number");
    for (size_t i = 0; i < d->shape->n && !r.rc; i++) {
        struct moments *m = &d->sums[i].logprob;
        d->sums[i].n_not_finite = bytes_get(&r, 0, UINT64_MAX, "tokens");
        m->docs = bytes_get(&r, 0, UINT64_MAX, "documents");
        m->n = bytes_get(&r, 0, UINT64_MAX, "tokens");
        m->sum = get_wide(&r);
        m->sum_sq = get_wide(&r);
        m->sum_n = get_wide(&r);
        m->n_sq = get_wide(&r);
        m->sum_sq_high = bytes_get(&r, 0, UINT64_MAX, "a sum");
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "something follows it");
    }
    return r.rc;
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (p) {
        free(p->found.sums);
        free(p->tokens);
        free(p->logprob);
        free(p);
    }
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "depths");
    }
    p->found.shape = shape;
    p->found.sums = mem_zero(p->found.shape->n, sizeof *p->found.sums);
    if (!p->found.sums) {
        part_free(p);
        return err_nomem(err, "depths");
    }
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    struct part *p = part;
    p->unit = unit;
    memset(p->found.sums, 0, p->found.shape->n * sizeof *p->found.sums);
    return 0;
}

static bool is_chosen(const struct part *p, size_t doc)
{
    return doc_share_has(p->found.shape->take, p->found.shape->of, p->unit->docs[doc].hash);
}

/* Adds the documents' log-probs of one k, logprob[...] of the tokens in order. */
static void add_logprobs(const struct part *p, struct depth_sums *to, const double *logprob)
{
    const struct unit_tokens *u = p->unit;
    for (size_t d = 0; d < u->n_docs; d++) {
        __int128 sum = 0;
        uint64_t n = 0;
        for (size_t i = 0; i < u->docs[d].n && is_chosen(p, d); i++) {
            if (unit_skips(u, u->docs[d].begin + i)) {
                continue;
            }
            const int64_t value = fixed_from(*logprob++);
            if (value == FIXED_NONE) {
                to->n_not_finite++;
            } else {
                sum += value;
                n++;
            }
        }
        moments_add(&to->logprob, sum, n);
    }
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    const struct unit_tokens *u = p->unit;
    size_t n = 0;
    int rc = mem_reserve(&p->tokens, &p->tokens_cap, u->n, sizeof *p->tokens, "depths", err);
    for (size_t d = 0; d < u->n_docs && !rc; d++) {
        for (size_t i = 0; i < u->docs[d].n && is_chosen(p, d); i++) {
            if (!unit_skips(u, u->docs[d].begin + i)) {
                p->tokens[n++] = u->docs[d].begin + i;
            }
        }
    }
    for (size_t i = 0; i < p->found.shape->n_models && n > 0 && !rc; i++) {
        const struct of_model *m = &p->found.shape->models[i];
        rc = mem_reserve(&p->logprob, &p->logprob_cap, (m->n_layers + 1) * n, sizeof *p->logprob,
                         "depths", err);
        rc = rc ? rc : models->depth(models->context, m->model, p->tokens, n, p->logprob, err);
        for (size_t k = 0; k <= m->n_layers && !rc && !models->stopped(models->context); k++) {
            add_logprobs(p, &p->found.sums[m->first + k], p->logprob + k * n);
        }
    }
    return rc;
}

// --- run.db -------------------------------------------------------------------------------------

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    const struct depths *d = whole;
    struct rows w;
    if (!full) {
        return 0;
    }
    rows_anew(&w, sql, "DELETE FROM depth", "INSERT INTO depth VALUES(?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < d->shape->n_models; i++) {
        const struct of_model *m = &d->shape->models[i];
        for (size_t k = 0; k <= m->n_layers && !w.rc; k++) {
            const struct depth_sums *s = &d->sums[m->first + k];
            rows_u64(&w, m->model);
            rows_u64(&w, k);
            rows_u64(&w, s->logprob.n);
            rows_u64(&w, s->logprob.docs);
            rows_u64(&w, s->n_not_finite);
            rows_real(&w, moments_mean(&s->logprob));
            rows_real(&w, moments_se(&s->logprob));
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

extern const char depth_sql[]; // out/results/depth/depth.sql

const struct collector_kind depth_collector = {
    .name = "depth",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .same = same,
    .describe = describe,
    .memory = memory,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = depth_sql,
    .write = write_tables,
};
