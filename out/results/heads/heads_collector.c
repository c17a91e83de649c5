#include "out/results/heads/heads_collector.h"

#include "out/results/heads/heads_tables.h"
#include "out/results/heads/heads_unit.h"

// --- the shape ----------------------------------------------------------------------------------

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct heads_shape *s = NULL; // of a new run: whoever makes it joins it
    const int rc = saved ? heads_shape_load(&s, run, saved, len, err) : 0;
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    heads_shape_free(shape);
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    return heads_shape_save(shape, out, err);
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    (void)fixed; // what weights say of heads follows from the models
    const uint32_t x = ((const struct heads_shape *)a)->examples;
    const uint32_t y = ((const struct heads_shape *)b)->examples;
    return x == y
               ? 0
               : err_set(why, ERR_MISMATCH, "examples: one keeps %u, the other %u of a head", x, y);
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    const struct heads_shape *s = shape;
    return buf_printf(out, err, "%zu attention heads", s->n);
}

// Rows that go through the layers together, unless one window is longer.
#define BLOCK_ROWS 1024

/* A worker also has a model's own room: its rows' directions and moments, and W_O once more. */
static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    const struct heads_shape *s = shape;
    const uint64_t example = sizeof(struct example) + EXAMPLE_TOKENS * sizeof(uint32_t) +
                             HEADS_SOURCES * 3 * sizeof(float);
    out->whole = s->n * (sizeof(struct heads_sums) + s->n_hypotheses * sizeof(struct heads_label) +
                         HEADS_LISTS * s->examples * example);
    out->part = out->whole + s->d_vocab * sizeof(uint32_t);
    out->saving = out->whole;
    for (size_t l = 0; l < s->n_layers; l++) {
        const struct run_model *m = &run->models[s->layers[l].model];
        const uint64_t rows = m->n_ctx > BLOCK_ROWS ? m->n_ctx : BLOCK_ROWS, d = m->d_model;
        out->part += 4 * (rows * HEAD_MOMENTS * m->n_heads + d * (d + d / m->n_heads));
        if (s->layers[l].layer == 0) {
            out->part += 4 * (rows * (2 * d + d / m->n_heads) + 2 * m->d_vocab);
            out->part += 4 * rows * (m->n_heads + 2) * s->n_hypotheses;
        }
    }
}

static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    (void)run;
    const struct heads_shape *s = shape;
    out->heads = heads_find_layer(s, model, 0) != SIZE_MAX;
    out->labels = out->heads && s->n_hypotheses > 0;
}

// --- a worker's part ----------------------------------------------------------------------------

static int part_new(void **out, const void *shape, struct err *err)
{
    struct heads_unit *u = NULL;
    const int rc = heads_unit_new(&u, shape, err);
    *out = u;
    return rc;
}

static void part_free(void *part)
{
    heads_unit_free(part);
}

static void part_look(void *part, const void *whole)
{
    heads_unit_look(part, whole);
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    return heads_unit_begin(part, unit, err);
}

static int see_heads(void *part, size_t model, size_t layer, const struct unit_block *block,
                     const float *const values[HEAD_MOMENTS], struct err *err)
{
    return heads_unit_see(part, model, layer, block, values, err);
}

static int see_head_labels(void *part, size_t model, size_t layer, const struct unit_block *block,
                           const float *to_label, struct err *err)
{
    (void)err;
    heads_unit_see_labels(part, model, layer, block, to_label);
    return 0;
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    return heads_unit_end(part, models, err);
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct heads *h = NULL;
    const int rc = heads_new(&h, shape, err);
    *out = h;
    return rc;
}

static void whole_free(void *whole)
{
    heads_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    return heads_merge(whole, heads_unit_found(part), err);
}

static int merge(void *whole, void *from, struct err *err)
{
    return heads_merge(whole, from, err);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece; // there is one
    return heads_save(whole, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    return heads_load(whole, bytes, len, err);
}

// --- run.db -------------------------------------------------------------------------------------

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    return full ? heads_write_tables(sql, whole, err) : 0;
}

extern const char heads_sql[]; // out/results/heads/heads.sql

const struct collector_kind heads_collector = {
    .name = "heads",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .same = same,
    .describe = describe,
    .memory = memory,
    .needs = needs,
    .part_new = part_new,
    .part_free = part_free,
    .part_look = part_look,
    .begin_unit = begin_unit,
    .see_heads = see_heads,
    .see_head_labels = see_head_labels,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = heads_sql,
    .write = write_tables,
};

struct heads_shape *heads_shape_in(const struct results *r)
{
    const struct collector *c = results_find(r, &heads_collector);
    return c ? c->shape : NULL;
}
