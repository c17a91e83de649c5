#include "out/results/trigrams/trigrams_collector.h"

#include <stdlib.h>

#include "corpora/base/plural.h"
#include "out/results/gaps/gaps_collector.h"
#include "out/results/neurons/neurons_collector.h"
#include "out/results/trigrams/trigrams_tables.h"

/* What a worker has. */
struct part {
    struct trigrams *unit;
    const struct unit_tokens *tokens;
    const double **rows; // [n_models] of the current document
};

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct trigrams_shape *s = NULL;
    const int rc = saved ? trigrams_shape_load(&s, run, saved, len, err) : 0;
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    trigrams_shape_free(shape);
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    return trigrams_shape_save(shape, out, err);
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    (void)fixed;
    return trigrams_shape_same(a, b, why);
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    const size_t n = ((const struct trigrams_shape *)shape)->n;
    return buf_printf(out, err, "%zu trigram%s", n, plural_s(n));
}

static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    (void)run;
    out->whole = out->part = trigrams_memory(shape);
}

/* The rows that neurons see. */
static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    const struct trigrams_shape *s = shape;
    const char *site = run->models[model].site;
    if (s->n_layers > 0 && site[0]) {
        out->see = ROW_BIT(neurons_row_site(site));
    }
}

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (p) {
        trigrams_free(p->unit);
        free(p->rows);
        free(p);
    }
}

static int part_new(void **out, const void *shape, struct err *err)
{
    const struct trigrams_shape *s = shape;
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "trigrams");
    }
    p->rows = mem_new(s->n_models, sizeof *p->rows);
    const int rc = p->rows ? trigrams_new(&p->unit, shape, err) : err_nomem(err, "trigrams");
    if (rc) {
        part_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    struct part *p = part;
    p->tokens = unit;
    return trigrams_begin(p->unit, unit, err);
}

static int see(void *part, size_t model, size_t layer, enum row_site site,
               const struct unit_block *block, const float *rows, struct err *err)
{
    (void)site;
    (void)err;
    const struct part *p = part;
    const struct trigrams_shape *s = p->unit->shape;
    trigrams_block(p->unit, s->first_layers[model] + layer, block->begin, block->windows,
                   block->n_windows, rows);
    return 0;
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    const struct unit_tokens *u = p->tokens;
    const struct trigrams_shape *s = p->unit->shape;
    int rc = 0;
    for (size_t d = 0; d < u->n_docs && !rc && !models->stopped(models->context); d++) {
        const struct tally_doc doc = tally_doc_of_unit(u, d, models->logprob, s->n_models, p->rows);
        rc = trigrams_add_doc(p->unit, d, &doc, s->pairs, s->floor, err);
    }
    return rc;
}

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct trigrams *t = NULL;
    const int rc = trigrams_new(&t, shape, err);
    *out = t;
    return rc;
}

static void whole_free(void *whole)
{
    trigrams_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    const struct part *p = part;
    return trigrams_merge(whole, p->unit, err);
}

static int merge(void *whole, void *from, struct err *err)
{
    return trigrams_merge(whole, from, err);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    return trigrams_save(whole, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    return trigrams_load(whole, bytes, len, err);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    return full ? trigrams_write_tables(sql, run, gaps_of(results), whole, err) : 0;
}

extern const char trigrams_sql[]; // out/results/trigrams/trigrams.sql

const struct collector_kind trigrams_collector = {
    .name = "trigrams",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .same = same,
    .describe = describe,
    .memory = memory,
    .needs = needs,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .see = see,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = trigrams_sql,
    .write = write_tables,
};

const struct trigrams_shape *trigrams_shape_in(const struct results *r)
{
    const struct collector *c = results_find(r, &trigrams_collector);
    return c ? c->shape : NULL;
}

const struct trigrams *trigrams_of(const struct results *r)
{
    return results_whole(r, &trigrams_collector);
}
