#include "out/results/classes/classes_collector.h"

#include <stdlib.h>

#include "out/results/classes/classes.h"
#include "out/sql/sql.h"

/* What a worker has. */
struct part {
    struct classes *found; // of the unit
    const struct unit_tokens *unit;
};

// --- the shape ----------------------------------------------------------------------------------

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    (void)saved;
    (void)len;
    struct classes_shape *s = NULL;
    const int rc = classes_shape_new(&s, run, err);
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    classes_shape_free(shape);
}

static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    (void)run;
    const struct classes_shape *s = shape;
    out->whole = classes_n_measures(s) * classes_n(s) * sizeof(struct moments);
    out->part = out->saving = out->whole;
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (p) {
        classes_free(p->found);
        free(p);
    }
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    const int rc = p ? classes_new(&p->found, shape, err) : err_nomem(err, "classes of tokens");
    if (rc) {
        part_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    struct part *p = part;
    p->unit = unit;
    classes_clear(p->found);
    return 0;
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    int rc = 0;
    for (size_t d = 0; d < p->unit->n_docs && !rc && !models->stopped(models->context); d++) {
        rc = classes_add(p->found, p->unit, d, models->logprob, err);
    }
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct classes *c = NULL;
    const int rc = classes_new(&c, shape, err);
    *out = c;
    return rc;
}

static void whole_free(void *whole)
{
    classes_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    (void)err;
    classes_merge(whole, ((const struct part *)part)->found);
    return 0;
}

static int merge(void *whole, void *from, struct err *err)
{
    (void)err;
    classes_merge(whole, from);
    return 0;
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    return classes_save(whole, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    return classes_load(whole, bytes, len, err);
}

// --- run.db -------------------------------------------------------------------------------------

/* n measures from 'first' on, whose numbers are those of their models or pairs, on the classes
 * [begin, end): rows of number, class, tokens, documents, mean, standard error, and where 'second'
 * is not 0 mean and error of the measure so far behind it. */
struct listing {
    const char *delete, *insert;
    size_t first, n, begin, end, second;
};

static int write_listing(const struct sql *sql, const struct classes *c, const struct listing *l,
                         struct err *err)
{
    struct rows w;
    rows_anew(&w, sql, l->delete, l->insert, err);
    for (size_t m = 0; m < l->n; m++) {
        for (size_t k = l->begin; k < l->end && !w.rc; k++) {
            const struct moments *of = &classes_of(c, l->first + m)[k];
            if (of->n == 0) {
                continue;
            }
            rows_u64(&w, m);
            if (k < TOKEN_KINDS) {
                rows_text(&w, token_kind_name(k));
            } else {
                rows_u64(&w, k - TOKEN_KINDS);
            }
            rows_u64(&w, of->n);
            rows_u64(&w, of->docs);
            rows_real(&w, moments_mean(of));
            rows_real(&w, moments_se(of));
            if (l->second > 0) {
                const struct moments *beside = &classes_of(c, l->first + l->second + m)[k];
                rows_real(&w, moments_mean(beside));
                rows_real(&w, moments_se(beside));
            }
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    const struct classes *c = whole;
    const struct classes_shape *s = c->shape;
    const size_t n = classes_n(s);
    const struct listing listings[] = {
        {"DELETE FROM kind_loss", "INSERT INTO kind_loss VALUES(?,?,?,?,?,?)", 0, s->n_models, 0,
         TOKEN_KINDS, 0},
        {"DELETE FROM kind_gap", "INSERT INTO kind_gap VALUES(?,?,?,?,?,?,?,?)", s->n_models,
         s->n_pairs, 0, TOKEN_KINDS, s->n_pairs},
        {"DELETE FROM hypothesis_loss", "INSERT INTO hypothesis_loss VALUES(?,?,?,?,?,?)", 0,
         s->n_models, TOKEN_KINDS, n, 0},
        {"DELETE FROM hypothesis_difference",
         "INSERT INTO hypothesis_difference VALUES(?,?,?,?,?,?)", s->n_models + s->n_pairs,
         s->n_pairs, TOKEN_KINDS, n, 0},
    };
    int rc = 0;
    for (size_t i = 0; full && i < sizeof listings / sizeof *listings && !rc; i++) {
        rc = write_listing(sql, c, &listings[i], err);
    }
    return rc;
}

extern const char classes_sql[]; // out/results/classes/classes.sql

const struct collector_kind classes_collector = {
    .name = "classes",
    .shape_new = shape_new,
    .shape_free = shape_free,
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
    .sql = classes_sql,
    .write = write_tables,
};
