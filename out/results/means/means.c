#include "out/results/means/means.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/results/bytes.h"
#include "out/sql/sql.h"

#define ITEMS_MAX ((uint64_t)1 << 24)
#define VALUES_MAX ((uint64_t)1 << 24)

// --- the shape ----------------------------------------------------------------------------------

int means_shape_new(struct means_shape **out, struct err *err)
{
    *out = mem_zero(1, sizeof **out);
    return *out ? 0 : err_nomem(err, "means");
}

void means_shape_free(struct means_shape *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        free(s->items[i].component);
        free(s->items[i].values);
    }
    free(s->items);
    free(s);
}

int means_shape_add(struct means_shape *s, uint32_t model, const char *component, size_t n,
                    struct err *err)
{
    const int rc = mem_reserve(&s->items, &s->cap, s->n + 1, sizeof *s->items, "means", err);
    if (rc) {
        return rc;
    }
    struct means_item *item = &s->items[s->n++];
    *item = (struct means_item){.model = model,
                                .component = strdup(component),
                                .values = mem_zero(n, sizeof *item->values),
                                .n = n};
    return item->component && item->values ? 0 : err_nomem(err, "means");
}

static void shape_free(void *shape)
{
    means_shape_free(shape);
}

static void get_item(struct bytes_reader *r, struct means_item *item, size_t n_models)
{
    item->model = (uint32_t)bytes_get(r, 0, n_models - 1, "the model of a mean");
    item->component = bytes_get_text(r, "what a mean replaces");
    const size_t n = bytes_get_n(r, VALUES_MAX, 8, "the numbers of a mean");
    item->values = bytes_get_room(r, n, sizeof *item->values, &item->n, "means");
    for (size_t i = 0; i < item->n; i++) {
        item->values[i] = (float)bytes_get_real(r, "a mean");
    }
}

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct bytes_reader r = {.at = saved, .left = len, .of = "the saved means", .err = err};
    struct means_shape *s = NULL;
    if (!saved) {
        return 0; // whoever makes the run joins it
    }
    const int rc = means_shape_new(&s, err);
    if (rc) {
        return rc;
    }
    s->docs = bytes_get(&r, 0, UINT64_MAX, "the documents of means");
    const size_t n = bytes_get_n(&r, ITEMS_MAX, 24, "means");
    s->items = bytes_get_room(&r, n, sizeof *s->items, &s->n, "means");
    for (size_t i = 0; i < s->n && run->n_models > 0; i++) {
        get_item(&r, &s->items[i], run->n_models);
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "more bytes follow its end");
    }
    if (r.rc) {
        means_shape_free(s);
        return r.rc;
    }
    *out = s;
    return 0;
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    const struct means_shape *s = shape;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, s->docs);
    bytes_put(&w, s->n);
    for (size_t i = 0; i < s->n; i++) {
        bytes_put(&w, s->items[i].model);
        bytes_put_text(&w, s->items[i].component);
        bytes_put(&w, s->items[i].n);
        for (size_t k = 0; k < s->items[i].n; k++) {
            bytes_put_real(&w, (double)s->items[i].values[k]);
        }
    }
    return w.rc;
}

/* Do they replace the same? */
static bool same_item(const struct means_item *a, const struct means_item *b)
{
    return a->model == b->model && a->n == b->n && strcmp(a->component, b->component) == 0;
}

static int same(const void *one, const void *other, bool fixed, struct err *why)
{
    const struct means_shape *a = one, *b = other;
    bool same = a->n == b->n;
    for (size_t i = 0; i < a->n && same; i++) {
        same = same_item(&a->items[i], &b->items[i]);
    }
    if (!same) {
        return err_set(why, ERR_MISMATCH, "means: they replace other components");
    }
    same = !fixed || a->docs == b->docs;
    for (size_t i = 0; i < a->n && same && fixed; i++) {
        same = memcmp(a->items[i].values, b->items[i].values,
                      a->items[i].n * sizeof *a->items[i].values) == 0;
    }
    return same ? 0
                : err_set(why, ERR_MISMATCH,
                          "the means by which values are replaced differ: parts need one "
                          "--reference, and the same --kernels");
}

struct means_shape *means_shape_in(const struct results *r)
{
    const struct collector *c = results_find(r, &means_collector);
    return c ? c->shape : NULL;
}

// --- a worker's part: there is none --------------------------------------------------------------

static int part_new(void **out, const void *shape, struct err *err)
{
    (void)shape;
    *out = mem_zero(1, 1);
    return *out ? 0 : err_nomem(err, "means");
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)part;
    (void)unit;
    (void)err;
    return 0;
}

// --- run.db -------------------------------------------------------------------------------------

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)whole;
    const struct means_shape *s = means_shape_in(results);
    struct rows w;
    bool written = false;
    int rc = full ? sql_has_rows(sql, "mean_value", &written, err) : 0;
    if (rc || written || !full) { // they never change
        return rc;
    }
    rows_open(&w, sql, "INSERT INTO mean_value VALUES(?,?,?,?)", err);
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->items[i].n && !w.rc; k++) {
            rows_u64(&w, s->items[i].model);
            rows_foreign(&w, s->items[i].component);
            rows_u64(&w, k);
            rows_real(&w, (double)s->items[i].values[k]);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

extern const char means_sql[]; // out/results/means/means.sql

const struct collector_kind means_collector = {
    .name = "means",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .same = same,
    .part_new = part_new,
    .part_free = free,
    .begin_unit = begin_unit,
    .sql = means_sql,
    .write = write_tables,
};
