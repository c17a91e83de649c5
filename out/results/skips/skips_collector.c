#include "out/results/skips/skips_collector.h"

#include "corpora/base/plural.h"
#include "out/results/skips/skip_tables.h"
#include "out/results/skips/skip_unit.h"

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct skip_shape *s = NULL; // of a new run: whoever makes it joins it
    const int rc = saved ? skip_shape_load(&s, run, saved, len, err) : 0;
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    skip_shape_free(shape);
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    return skip_shape_save(shape, out, err);
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    return skip_shape_same(a, b, fixed, why);
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    const struct skip_shape *s = shape;
    return s->chosen ? buf_printf(out, err, "%zu skip-trigram%s", s->n, plural_s(s->n))
                     : buf_append(out, "skip-trigrams", sizeof "skip-trigrams", err);
}

/* What they are is not known before the first unit. */
static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    (void)run;
    const struct skip_shape *s = shape;
    const uint64_t sums =
        s->chosen ? s->n_cells * skip_row(s->n_models) : SKIP_SUMS * SKIP_SUMS_MAX;
    out->whole = out->part = sums * sizeof(struct moments);
}

static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    (void)run;
    out->asked = model < ((const struct skip_shape *)shape)->n_models;
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct skip_unit *u = NULL;
    const int rc = skip_unit_new(&u, shape, err);
    *out = u;
    return rc;
}

static void part_free(void *part)
{
    skip_unit_free(part);
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    return skip_unit_begin(part, unit, err);
}

static int asked(void *part, const struct unit_block *block, struct unit_asked **items, size_t *n,
                 size_t *cap, struct err *err)
{
    return skip_unit_ask(part, block, items, n, cap, err);
}

static int end_block(void *part, const struct unit_block *block, const struct unit_seen *seen,
                     struct err *err)
{
    return skip_unit_block(part, block, seen, err);
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    return skip_unit_end(part, models, err);
}

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct skip_sums *k = NULL;
    const int rc = skip_sums_new(&k, shape, err);
    *out = k;
    return rc;
}

static void whole_free(void *whole)
{
    skip_sums_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    return skip_unit_add(whole, part, err);
}

static int merge(void *whole, void *from, struct err *err)
{
    return skip_sums_merge(whole, from, err);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    return skip_sums_save(whole, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    return skip_sums_load(whole, bytes, len, err);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    return full ? skip_tables_write(sql, whole, err) : 0;
}

extern const char skips_sql[]; // out/results/skips/skips.sql

const struct collector_kind skips_collector = {
    .name = "skips",
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
    .asked = asked,
    .end_block = end_block,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = skips_sql,
    .write = write_tables,
};

struct skip_shape *skips_shape_in(const struct results *r)
{
    const struct collector *c = results_find(r, &skips_collector);
    return c ? c->shape : NULL;
}

const struct skip_sums *skips_of(const struct results *r)
{
    return results_whole(r, &skips_collector);
}
