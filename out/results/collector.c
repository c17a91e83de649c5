#include "out/results/collector.h"

#include <stdlib.h>

/* Room for one more, at place 'at'; NULL: no memory. */
static struct collector *insert(struct results *r, size_t at, struct err *err)
{
    struct collector *items = mem_resize(r->items, r->n + 1, sizeof *items);
    if (!items) {
        err_nomem(err, "results");
        return NULL;
    }
    r->items = items;
    for (size_t i = r->n++; i > at; i--) {
        items[i] = items[i - 1];
    }
    items[at] = (struct collector){0};
    return &items[at];
}

/* The place of a kind in the list of all; those that are not in it come last. */
static size_t order_of(const struct collector_kind *kind)
{
    size_t i = 0;
    while (collector_kinds[i] && collector_kinds[i] != kind) {
        i++;
    }
    return i;
}

int results_join(struct results *r, const struct collector_kind *kind, void *shape,
                 struct err *err)
{
    size_t at = 0;
    while (at < r->n && order_of(r->items[at].kind) <= order_of(kind)) {
        at++;
    }
    struct collector *c = insert(r, at, err);
    if (!c) {
        kind->shape_free(shape);
        return ERR_NOMEM;
    }
    c->kind = kind;
    c->shape = shape;
    return 0;
}

int results_new(struct results *r, struct run *run, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; collector_kinds[i] && !rc; i++) {
        const struct collector_kind *kind = collector_kinds[i];
        void *shape = NULL;
        rc = kind->shape_new ? kind->shape_new(&shape, run, NULL, 0, err) : 0;
        if (!rc && shape) {
            rc = results_join(r, kind, shape, err);
        }
    }
    return rc;
}

int results_new_wholes(struct results *r, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < r->n && !rc; i++) {
        struct collector *c = &r->items[i];
        if (c->kind->whole_new && !c->whole) {
            rc = c->kind->whole_new(&c->whole, c->shape, err);
        }
    }
    return rc;
}

void results_free(struct results *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct collector *c = &r->items[i];
        if (c->whole) {
            c->kind->whole_free(c->whole);
        }
        if (c->shape && c->kind->shape_free) {
            c->kind->shape_free(c->shape);
        }
    }
    free(r->items);
    *r = (struct results){0};
}

struct collector *results_find(const struct results *r, const struct collector_kind *kind)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->items[i].kind == kind) {
            return &r->items[i];
        }
    }
    return NULL;
}

void *results_whole(const struct results *r, const struct collector_kind *kind)
{
    const struct collector *c = results_find(r, kind);
    return c ? c->whole : NULL;
}

/* Those of b that are kept in run.db, and a has not. */
static int check_all(const struct results *a, const struct results *b, struct err *why)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct collector_kind *kind = b->items[i].kind;
        if (kind->whole_new && !results_find(a, kind)) {
            return err_set(why, ERR_MISMATCH, "%s: only one has them", kind->name);
        }
    }
    return 0;
}

int results_same(const struct results *a, const struct results *b, bool fixed, struct err *why)
{
    int rc = check_all(a, b, why);
    rc = rc ? rc : check_all(b, a, why);
    for (size_t i = 0; i < a->n && !rc; i++) {
        const struct collector *x = &a->items[i], *y = results_find(b, x->kind);
        rc = y && x->kind->same ? x->kind->same(x->shape, y->shape, fixed, why) : 0;
    }
    return rc;
}

int results_merge(struct results *to, struct results *from, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < to->n && !rc; i++) {
        const struct collector *x = &to->items[i], *y = results_find(from, x->kind);
        rc = x->whole && y && y->whole ? x->kind->merge(x->whole, y->whole, err) : 0;
    }
    return rc;
}
