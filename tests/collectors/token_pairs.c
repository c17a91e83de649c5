/*
 * token_pairs.c - a collector that counts pairs of tokens behind one another in a window
 *
 * It looks at text alone: no model is asked anything.
 */
#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"
#include "out/sql/sql.h"
#include "tests/collectors/test_collectors.h"

/* Sorted by (a, b). */
struct pair_count {
    uint32_t a, b;
    uint64_t n;
};
struct pairs {
    struct pair_count *items; // [n]
    size_t n, cap;
};

struct part {
    struct pairs pairs;
};

static int by_tokens(const void *x, const void *y)
{
    const struct pair_count *p = x, *q = y;
    return p->a != q->a ? (p->a < q->a ? -1 : 1) : (p->b > q->b) - (p->b < q->b);
}

/* Sorts, and adds up those that are the same. */
static void add_up(struct pairs *p)
{
    size_t n = 0;
    if (p->n > 0) {
        qsort(p->items, p->n, sizeof *p->items, by_tokens);
    }
    for (size_t i = 0; i < p->n; i++) {
        if (n > 0 && by_tokens(&p->items[n - 1], &p->items[i]) == 0) {
            p->items[n - 1].n += p->items[i].n;
        } else {
            p->items[n++] = p->items[i];
        }
    }
    p->n = n;
}

static int append(struct pairs *p, const struct pair_count *items, size_t n, struct err *err)
{
    const int rc = mem_reserve(&p->items, &p->cap, p->n + n, sizeof *p->items, "pairs", err);
    if (!rc && n > 0) {
        memcpy(p->items + p->n, items, n * sizeof *items);
        p->n += n;
    }
    return rc;
}

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    (void)run;
    (void)saved;
    (void)len;
    *out = mem_zero(1, 1); // there is nothing to ask
    return *out ? 0 : err_nomem(err, "pairs");
}

static int part_new(void **out, const void *shape, struct err *err)
{
    (void)shape;
    *out = mem_zero(1, sizeof(struct part));
    return *out ? 0 : err_nomem(err, "pairs");
}

static void part_free(void *part)
{
    free(((struct part *)part)->pairs.items);
    free(part);
}

static int begin_unit(void *pointer, const struct unit_tokens *u, struct err *err)
{
    struct part *part = pointer;
    int rc = 0;
    part->pairs.n = 0;
    for (size_t d = 0; d < u->n_docs && !rc; d++) {
        const size_t begin = u->docs[d].begin, end = begin + u->docs[d].n;
        for (size_t t = begin + 1; t < end && !rc; t++) {
            const struct pair_count one = {.a = u->ids[t - 1], .b = u->ids[t], .n = 1};
            rc = u->pos[t] > 1 && !unit_skips(u, t) ? append(&part->pairs, &one, 1, err) : 0;
        }
    }
    add_up(&part->pairs);
    return rc;
}

static int whole_new(void **out, const void *shape, struct err *err)
{
    (void)shape;
    *out = mem_zero(1, sizeof(struct pairs));
    return *out ? 0 : err_nomem(err, "pairs");
}

static void whole_free(void *whole)
{
    free(((struct pairs *)whole)->items);
    free(whole);
}

static int merge(void *whole, void *from, struct err *err)
{
    const struct pairs *more = from;
    const int rc = append(whole, more->items, more->n, err);
    add_up(whole);
    return rc;
}

static int add(void *whole, void *part, struct err *err)
{
    return merge(whole, &((struct part *)part)->pairs, err);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    const struct pairs *p = whole;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, p->n);
    for (size_t i = 0; i < p->n; i++) {
        bytes_put(&w, p->items[i].a);
        bytes_put(&w, p->items[i].b);
        bytes_put(&w, p->items[i].n);
    }
    return w.rc;
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    struct pairs *p = whole;
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved pairs", .err = err};
    const size_t n = bytes_get_n(&r, SIZE_MAX, 24, "their number");
    for (size_t i = 0; i < n && !r.rc; i++) {
        struct pair_count one = {.a = (uint32_t)bytes_get(&r, 0, UINT32_MAX, "a token")};
        one.b = (uint32_t)bytes_get(&r, 0, UINT32_MAX, "a token");
        one.n = bytes_get(&r, 1, UINT64_MAX, "a count");
        r.rc = r.rc ? r.rc : append(p, &one, 1, err);
    }
    return r.rc;
}

static int write_table(const struct sql *sql, const struct run *run, const struct results *results,
                       const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    const struct pairs *p = whole;
    struct rows w;
    if (!full) {
        return 0;
    }
    rows_anew(&w, sql, "DELETE FROM token_pair", "INSERT INTO token_pair VALUES(?,?,?)", err);
    for (size_t i = 0; i < p->n && !w.rc; i++) {
        rows_u64(&w, p->items[i].a);
        rows_u64(&w, p->items[i].b);
        rows_u64(&w, p->items[i].n);
        rows_next(&w);
    }
    return rows_close(&w);
}

const struct collector_kind token_pairs_collector = {
    .name = "pairs",
    .shape_new = shape_new,
    .shape_free = free,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = "CREATE TABLE token_pair( -- A row is a pair of tokens behind one another in a window.\n"
           "    a INTEGER, -- id of the first\n"
           "    b INTEGER, -- id of the second\n"
           "    n INTEGER, -- places\n"
           "    PRIMARY KEY(a, b)\n"
           ") WITHOUT ROWID;\n"
           "-- digest: a, b, n ORDER BY a, b\n",
    .write = write_table,
};
