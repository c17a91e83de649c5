#include "out/results/examples.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/mem.h"

#define CONTEXT 8 // tokens before a place that, with it, tell its context

size_t example_n_before(const struct example_doc *d, size_t at, size_t most)
{
    const size_t in_window = d->pos[at] - 1, n = in_window < at ? in_window : at;
    return n < most ? n : most;
}

size_t example_n_after(const struct example_doc *d, size_t at, size_t most)
{
    size_t n = 0;
    while (n < most && at + n + 1 < d->n && d->pos[at + n + 1] != 1) {
        n++;
    }
    return n;
}

struct example example_at(const struct example_doc *d, size_t at, uint32_t key)
{
    const size_t before = example_n_before(d, at, CONTEXT);
    return (struct example){
        .key = key,
        .shard = d->shard,
        .at = (uint32_t)at,
        .doc = d->number,
        .byte_start = d->ends && at > 0 ? d->ends[at - 1] : 0,
        .byte_end = d->ends ? d->ends[at] : 0,
        .test = d->test,
        .context = XXH3_64bits(d->ids + at - before, (before + 1) * sizeof *d->ids),
    };
}

uint32_t example_hash(uint32_t shard, uint64_t doc, size_t at)
{
    const uint64_t place[3] = {shard, doc, at};
    return (uint32_t)XXH3_64bits(place, sizeof place);
}

int example_new(struct example *e, struct err *err)
{
    // Labels first: they need the alignment.
    const size_t n_labels = ((size_t)e->n_rows + 1) * e->n_words;
    const size_t bytes =
        n_labels * sizeof *e->labels + e->n_tokens * sizeof *e->ids + e->n_acts * sizeof *e->acts;
    e->labels = mem_zero(bytes, 1);
    e->ids = NULL;
    e->acts = NULL;
    if (!e->labels) {
        return err_nomem(err, "an example");
    }
    e->ids = (uint32_t *)(e->labels + n_labels);
    e->acts = (float *)(e->ids + e->n_tokens);
    return 0;
}

void example_free(struct example *e)
{
    free(e->labels);
    *e = (struct example){0};
}

void example_list_clear(struct example_list *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        example_free(&l->items[i]);
    }
    l->n = 0;
}

void example_list_free(struct example_list *l)
{
    example_list_clear(l);
    free(l->items);
    *l = (struct example_list){0};
}

bool example_before(const struct example *a, const struct example *b)
{
    return a->key != b->key       ? a->key < b->key
           : a->shard != b->shard ? a->shard < b->shard
           : a->doc != b->doc     ? a->doc < b->doc
                                  : a->at < b->at;
}

/* The one of e's context, or n. */
static uint32_t same_context(const struct example_list *l, const struct example *e)
{
    uint32_t i = 0;
    while (i < l->n && l->items[i].context != e->context) {
        i++;
    }
    return i;
}

bool example_belongs(const struct example_list *l, const struct example *e, uint32_t most)
{
    if (l->n >= most && !example_before(e, &l->items[l->n - 1])) {
        return false;
    }
    const uint32_t same = same_context(l, e);
    return same == l->n || example_before(e, &l->items[same]);
}

/* There are tens of thousands of lists, most of them short: no more room than they need. */
static int grow(struct example_list *l, uint32_t most, struct err *err)
{
    const uint32_t cap = l->cap < 2 ? 4 : 2 * l->cap;
    const uint32_t n = cap < most ? cap : most;
    struct example *items = mem_resize(l->items, n, sizeof *items);
    if (!items) {
        return err_nomem(err, "examples");
    }
    l->items = items;
    l->cap = n;
    return 0;
}

int example_insert(struct example_list *l, struct example *e, uint32_t most, struct err *err)
{
    if (l->n == l->cap && l->n < most) {
        const int rc = grow(l, most, err);
        if (rc) {
            example_free(e);
            return rc;
        }
    }
    uint32_t gone = same_context(l, e); // its place is free, or the last one's, or a new one
    if (gone == l->n && l->n < most) {
        l->items[l->n++] = (struct example){0};
    } else if (gone == l->n) {
        gone--;
    }
    example_free(&l->items[gone]);
    while (gone > 0 && example_before(e, &l->items[gone - 1])) {
        l->items[gone] = l->items[gone - 1];
        gone--;
    }
    l->items[gone] = *e;
    *e = (struct example){0};
    return 0;
}

int example_list_take(struct example_list *to, struct example_list *from, uint32_t most,
                      struct err *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < from->n && !rc; i++) {
        if (example_belongs(to, &from->items[i], most)) {
            rc = example_insert(to, &from->items[i], most, err);
        }
    }
    example_list_free(from); // a worker has tens of thousands of lists, and fills few again
    return rc;
}
