#include "out/results/neurons/neurons_collector.h"

#include <stdlib.h>

#include "out/results/neurons/neurons_rows.h"
#include "out/results/neurons/neurons_subsets.h"
#include "out/results/neurons/unit_neurons.h"

/* What a worker has. */
struct part {
    const struct neurons_shape *shape;
    struct unit_neurons *unit;
    struct unit_neurons_cutoffs *cutoffs;
    bool looked; // cutoffs are those of a whole
};

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct neurons_shape *s = NULL;
    const int rc = saved ? neurons_shape_load(&s, run, saved, len, err) : 0;
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    neurons_shape_free(shape);
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    return neurons_shape_save(shape, out, err);
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    return neurons_shape_same(a, b, fixed, why);
}

/* Chooses which neurons have histograms, where not all do. */
static int before_scan(void *shape, struct run *run, const struct collector_before *before,
                       struct err *err)
{
    (void)run;
    return neurons_subsets_choose(shape, before, err);
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    return buf_printf(out, err, "%zu neurons", ((const struct neurons_shape *)shape)->n);
}

static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    struct neurons_memory m;
    neurons_run_memory(shape, run, &m);
    *out = (struct collector_memory){.whole = m.whole, .part = m.part, .saving = m.saving};
}

static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    if (neurons_first_layer(shape, model) != SIZE_MAX) {
        out->see = ROW_BIT(neurons_row_site(run->models[model].site));
    }
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (p) {
        unit_neurons_free(p->unit);
        unit_neurons_cutoffs_free(p->cutoffs);
        free(p);
    }
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "a worker's neurons");
    }
    p->shape = shape;
    int rc = unit_neurons_new(&p->unit, shape, err);
    rc = rc ? rc : unit_neurons_cutoffs_new(&p->cutoffs, shape, err);
    if (rc) {
        part_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static void part_look(void *part, const void *whole)
{
    struct part *p = part;
    unit_neurons_cutoffs_of(p->cutoffs, whole);
    p->looked = true;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    const struct part *p = part;
    return unit_neurons_begin(p->unit, unit, p->looked ? p->cutoffs : NULL, err);
}

static int see(void *part, size_t model, size_t layer, enum row_site site,
               const struct unit_block *block, const float *rows, struct err *err)
{
    (void)site; // there is one
    const struct part *p = part;
    return unit_neurons_block(p->unit, neurons_first_layer(p->shape, model) + layer, block->begin,
                              block->windows, block->n_windows, rows, err);
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    const struct part *p = part;
    return models->stopped(models->context) ? 0 : unit_neurons_end(p->unit, err);
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct neurons *n = NULL;
    const int rc = neurons_new(&n, shape, err);
    *out = n;
    return rc;
}

static void whole_free(void *whole)
{
    neurons_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    const struct part *p = part;
    return neurons_add(whole, p->unit, err);
}

static int merge(void *whole, void *from, struct err *err)
{
    return neurons_merge(whole, from, err);
}

/* The common things, and each layer: together they may be large. */
static size_t n_pieces(const void *shape)
{
    return 1 + ((const struct neurons_shape *)shape)->n_layers;
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    return neurons_save(whole, piece, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    return neurons_load(whole, piece, bytes, len, err);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)results;
    return full ? neurons_write_tables(sql, run, whole, err) : 0;
}

extern const char neurons_sql[]; // out/results/neurons/neurons.sql

const struct collector_kind neurons_collector = {
    .name = "neurons",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .before_scan = before_scan,
    .same = same,
    .describe = describe,
    .memory = memory,
    .needs = needs,
    .part_new = part_new,
    .part_free = part_free,
    .part_look = part_look,
    .begin_unit = begin_unit,
    .see = see,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .n_pieces = n_pieces,
    .save = save,
    .load = load,
    .sql = neurons_sql,
    .write = write_tables,
};

struct neurons_shape *neurons_shape_in(const struct results *r)
{
    const struct collector *c = results_find(r, &neurons_collector);
    return c ? c->shape : NULL;
}

const struct neurons *neurons_of(const struct results *r)
{
    return results_whole(r, &neurons_collector);
}
