#include "out/results/composition/composition_collector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/doc_share.h"
#include "out/results/fixed.h"
#include "out/results/varints.h"
#include "out/sql/sql.h"

#define MAGIC UINT64_C(0x314f435347) // "GSCO1"
#define INPUTS UNIT_INPUTS
#define SHARE_MOST 1000.0 // (c . x) / (x . x) of a token, in size
#define SQUARE_MOST 0x1p40

/* The rows of a model: those of layer l begin at first + begin(l). */
struct of_model {
    uint32_t model;
    size_t n_layers, n_heads, of_layer; // of_layer: sources that a layer adds
    bool has_mlp, shortformer;          // shortformer: positions are not in the stream
    size_t first;
};

struct composition_shape {
    uint32_t take, of;
    struct of_model *models; // [n_models]
    size_t n_models;
    size_t n; // rows: a source of an input of a head
};

struct sums {
    uint64_t n, left_out;
    __int128 share, norm, dot, whole; // in 2^-20
};

struct composition {
    const struct composition_shape *shape;
    struct sums *sums; // [n]
};

/* Of a unit, before they are rounded. */
struct unit_sums {
    uint64_t n, left_out;
    double share, norm, dot, whole;
};

struct part {
    const struct composition_shape *shape;
    const struct unit_tokens *unit;
    const struct of_model *model; // in hand
    struct unit_sums *sums;       // [n]
    size_t *tokens;               // of the share
    size_t tokens_cap;
};

// --- the shape ----------------------------------------------------------------------------------

static size_t n_sources(const struct of_model *m, size_t layer)
{
    return 2 + layer * m->of_layer + 1;
}

/* Where the rows of a source of a layer begin: [INPUTS][n_heads]. */
static size_t row_of(const struct of_model *m, size_t layer, size_t source)
{
    size_t at = m->first;
    for (size_t l = 0; l < layer; l++) {
        at += n_sources(m, l) * INPUTS * m->n_heads;
    }
    return at + source * INPUTS * m->n_heads;
}

static void source_name(const struct of_model *m, size_t layer, size_t source, char name[48])
{
    const size_t from = source < 2 ? 0 : (source - 2) / m->of_layer;
    const size_t part = source < 2 ? 0 : (source - 2) % m->of_layer;
    if (source < 2 || source + 1 == n_sources(m, layer)) {
        snprintf(name, 48, "%s", source == 0 ? "embed" : source == 1 ? "pos_embed" : "bias");
    } else if (part < m->n_heads) {
        snprintf(name, 48, "L%zuH%zu", from, part);
    } else {
        snprintf(name, 48, "L%zu%s", from, part == m->n_heads ? "b_O" : "MLP");
    }
}

int composition_shape_new(struct composition_shape **out, const struct run *run, uint32_t take,
                          uint32_t of, struct err *err)
{
    struct composition_shape *s = mem_zero(1, sizeof *s);
    *out = NULL;
    if (!s || !(s->models = mem_zero(run->n_models, sizeof *s->models))) {
        composition_shape_free(s);
        return err_nomem(err, "composition");
    }
    s->take = take;
    s->of = of;
    for (size_t i = 0; i < run->n_models; i++) {
        const struct run_model *m = &run->models[i];
        if (m->n_components == 0 || run_model_is_changed(m)) {
            continue;
        }
        struct of_model *to = &s->models[s->n_models++];
        const bool has_mlp = m->d_mlp > 0;
        *to = (struct of_model){.model = (uint32_t)i,
                                .n_layers = m->n_layers,
                                .n_heads = m->n_heads,
                                .of_layer = m->n_heads + (has_mlp ? 2 : 1),
                                .has_mlp = has_mlp,
                                .shortformer = m->n_components < 2 ||
                                               strcmp(m->components[1], "pos_embed") != 0,
                                .first = s->n};
        s->n = row_of(to, m->n_layers, 0);
    }
    if (s->n_models == 0) {
        composition_shape_free(s);
        return 0;
    }
    *out = s;
    return 0;
}

void composition_shape_free(struct composition_shape *s)
{
    if (s) {
        free(s->models);
        free(s);
    }
}

static void shape_free(void *shape)
{
    composition_shape_free(shape);
}

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct varints_reader r = {.at = saved, .left = len, .of = "composition", .err = err};
    struct composition_shape *s = NULL;
    if (!saved) {
        return 0; // whoever makes the run joins it
    }
    const uint32_t of = (uint32_t)varints_get(&r, COMPOSITION_SHARE_MAX, "its share");
    const uint32_t take = (uint32_t)varints_get(&r, of, "its share");
    if (!r.rc && (take == 0 || r.left > 0)) {
        varints_bad(&r, "its share");
    }
    int rc = r.rc ? r.rc : composition_shape_new(&s, run, take, of, err);
    if (!rc && !s) {
        varints_bad(&r, "there are no heads");
        rc = r.rc;
    }
    *out = s;
    return rc;
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    const struct composition_shape *s = shape;
    struct varints_writer w = {.to = out, .err = err};
    varints_put(&w, s->of);
    varints_put(&w, s->take);
    return w.rc;
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    (void)fixed;
    const struct composition_shape *x = a, *y = b;
    return x->take == y->take && x->of == y->of
               ? 0
               : err_set(why, ERR_MISMATCH, "compose-share: one has %u/%u, the other %u/%u",
                         x->take, x->of, y->take, y->of);
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    return buf_printf(out, err, "%zu parts of heads' inputs",
                      ((const struct composition_shape *)shape)->n);
}

/* A worker also has, for each model, the weights of all inputs once more and some rows of each. */
static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    const struct composition_shape *s = shape;
    out->whole = s->n * sizeof(struct sums);
    out->part = s->n * sizeof(struct unit_sums);
    for (size_t i = 0; i < s->n_models; i++) {
        const struct run_model *m = &run->models[s->models[i].model];
        const uint64_t rows = m->n_ctx > 1024 ? m->n_ctx : 1024, d = m->d_model;
        const uint64_t kept = s->models[i].has_mlp ? 2 : 1;
        out->part += 4 * (m->n_layers * d * (4 * d + kept * rows) + 7 * rows * d);
    }
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (p) {
        free(p->sums);
        free(p->tokens);
        free(p);
    }
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "composition");
    }
    p->shape = shape;
    p->sums = mem_zero(p->shape->n, sizeof *p->sums);
    if (!p->sums) {
        part_free(p);
        return err_nomem(err, "composition");
    }
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    struct part *p = part;
    p->unit = unit;
    memset(p->sums, 0, p->shape->n * sizeof *p->sums);
    return 0;
}

/* A token's numbers into the sums of a row. */
static void add_token(struct unit_sums *s, float dot, float square, float whole)
{
    const double share = (double)dot / (double)whole;
    if (!(fabs(share) <= SHARE_MOST && fabs((double)dot) <= SQUARE_MOST &&
          (double)square <= SQUARE_MOST && (double)whole <= SQUARE_MOST)) {
        s->left_out++;
        return;
    }
    s->n++;
    s->share += share;
    s->norm += sqrt((double)square / (double)whole);
    s->dot += (double)dot;
    s->whole += (double)whole;
}

/* unit_models' see: */
static void see(void *context, const struct unit_composed *c)
{
    struct part *p = context;
    const struct of_model *m = p->model;
    const size_t groups = INPUTS * m->n_heads;
    struct unit_sums *sums = p->sums + row_of(m, c->layer, c->source);
    // of shortformer positions values have none
    const size_t n = c->source == 1 && m->shortformer ? 2 * m->n_heads : groups;
    for (size_t i = 0; i < c->n_rows; i++) {
        for (size_t k = 0; k < n && c->chosen[i]; k++) {
            const size_t at = i * groups + k;
            add_token(&sums[k], c->dot[at], c->square[at], c->whole[at]);
        }
    }
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    const struct unit_tokens *u = p->unit;
    size_t n = 0;
    int rc = mem_reserve(&p->tokens, &p->tokens_cap, u->n, sizeof *p->tokens, "composition", err);
    for (size_t d = 0; d < u->n_docs && !rc; d++) {
        const struct unit_tokens_doc *doc = &u->docs[d];
        const bool chosen = doc_share_has(p->shape->take, p->shape->of, doc->hash);
        for (size_t i = doc->begin; i < doc->begin + doc->n && chosen; i++) {
            if (!unit_skips(u, i)) {
                p->tokens[n++] = i;
            }
        }
    }
    for (size_t i = 0; i < p->shape->n_models && n > 0 && !rc; i++) {
        p->model = &p->shape->models[i];
        rc = models->compose(models->context, p->model->model, p->tokens, n, see, p, err);
    }
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static void whole_free(void *whole)
{
    struct composition *c = whole;
    if (c) {
        free(c->sums);
        free(c);
    }
}

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct composition *c = mem_zero(1, sizeof *c);
    if (!c) {
        return err_nomem(err, "composition");
    }
    c->shape = shape;
    c->sums = mem_zero(c->shape->n, sizeof *c->sums);
    if (!c->sums) {
        whole_free(c);
        return err_nomem(err, "composition");
    }
    *out = c;
    return 0;
}

/* A unit's sum: below 2^62 in size. */
static __int128 rounded(double sum)
{
    return (__int128)rint(sum * (double)FIXED_ONE);
}

static int add(void *whole, void *part, struct err *err)
{
    (void)err;
    struct composition *c = whole;
    const struct part *p = part;
    for (size_t i = 0; i < c->shape->n; i++) {
        struct sums *to = &c->sums[i];
        to->n += p->sums[i].n;
        to->left_out += p->sums[i].left_out;
        to->share = fixed_sum(to->share, rounded(p->sums[i].share));
        to->norm = fixed_sum(to->norm, rounded(p->sums[i].norm));
        to->dot = fixed_sum(to->dot, rounded(p->sums[i].dot));
        to->whole = fixed_sum(to->whole, rounded(p->sums[i].whole));
    }
    return 0;
}

static int merge(void *whole, void *from, struct err *err)
{
    (void)err;
    struct composition *c = whole;
    const struct composition *other = from;
    for (size_t i = 0; i < c->shape->n; i++) {
        struct sums *to = &c->sums[i];
        const struct sums *s = &other->sums[i];
        to->n += s->n;
        to->left_out += s->left_out;
        to->share = fixed_sum(to->share, s->share);
        to->norm = fixed_sum(to->norm, s->norm);
        to->dot = fixed_sum(to->dot, s->dot);
        to->whole = fixed_sum(to->whole, s->whole);
    }
    return 0;
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece; // there is one
    const struct composition *c = whole;
    struct varints_writer w = {.to = out, .err = err};
    varints_put(&w, MAGIC);
    varints_put(&w, c->shape->n);
    varints_room(&w, 6 * c->shape->n);
    for (size_t i = 0; i < c->shape->n && !w.rc; i++) {
        const struct sums *s = &c->sums[i];
        varints_next(w.to, s->n);
        varints_next(w.to, s->left_out);
        varints_next(w.to, varints_zigzag(s->share));
        varints_next(w.to, varints_zigzag(s->norm));
        varints_next(w.to, varints_zigzag(s->dot));
        varints_next(w.to, varints_zigzag(s->whole));
    }
    return w.rc;
}

static __int128 get_signed(struct varints_reader *r)
{
    const unsigned __int128 x = varints_get_wide(r, "a sum");
    return (__int128)(x >> 1) ^ -(__int128)(x & 1);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    struct composition *c = whole;
    struct varints_reader r = {.at = bytes, .left = len, .of = "composition", .err = err};
    varints_want(&r, MAGIC, "the beginning");
    varints_want(&r, c->shape->n, "parts of heads' inputs");
    for (size_t i = 0; i < c->shape->n && !r.rc; i++) {
        struct sums *s = &c->sums[i];
        s->n = varints_get(&r, UINT64_MAX, "tokens");
        s->left_out = varints_get(&r, UINT64_MAX, "tokens");
        s->share = get_signed(&r);
        s->norm = get_signed(&r);
        s->dot = get_signed(&r);
        s->whole = get_signed(&r);
    }
    if (!r.rc && r.left > 0) {
        varints_bad(&r, "something follows it");
    }
    return r.rc;
}

// --- run.db -------------------------------------------------------------------------------------

static void put_row(struct rows *w, const struct of_model *m, size_t layer, size_t source, size_t k,
                    const struct sums *s)
{
    static const char *const inputs[] = {"q", "k", "v"};
    char name[48];
    source_name(m, layer, source, name);
    rows_u64(w, m->model);
    rows_text(w, name);
    rows_u64(w, layer);
    rows_u64(w, k % m->n_heads);
    rows_text(w, inputs[k / m->n_heads]);
    rows_u64(w, s->n);
    rows_u64(w, s->left_out);
    rows_ratio(w, (double)s->share / (double)FIXED_ONE, (double)s->n);
    rows_ratio(w, (double)s->norm / (double)FIXED_ONE, (double)s->n);
    rows_ratio(w, (double)s->dot, (double)s->whole);
    rows_next(w);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    const struct composition *c = whole;
    struct rows w;
    if (!full) {
        return 0;
    }
    rows_anew(&w, sql, "DELETE FROM composition",
              "INSERT INTO composition VALUES(?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < c->shape->n_models; i++) {
        const struct of_model *m = &c->shape->models[i];
        for (size_t l = 0; l < m->n_layers; l++) {
            for (size_t s = 0; s < n_sources(m, l); s++) {
                const bool beside = s == 1 && m->shortformer;
                const struct sums *sums = c->sums + row_of(m, l, s);
                for (size_t k = 0; k < (beside ? 2 : INPUTS) * m->n_heads && !w.rc; k++) {
                    if (sums[k].n + sums[k].left_out > 0) { // there is such a source
                        put_row(&w, m, l, s, k, &sums[k]);
                    }
                }
            }
        }
    }
    return rows_close(&w);
}

extern const char composition_sql[]; // out/results/composition/composition.sql

const struct collector_kind composition_collector = {
    .name = "composition",
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
    .sql = composition_sql,
    .write = write_tables,
};
