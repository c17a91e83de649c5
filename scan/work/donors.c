#include "scan/work/donors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "scan/work/replaced.h"

static size_t positions_of(const struct layout *l, size_t window)
{
    return l->windows[window].n + 1;
}

size_t donors_find(const struct layout *l, size_t window)
{
    size_t positions[REPLACED_GROUP], n = 0;
    const size_t first = window / REPLACED_GROUP * REPLACED_GROUP;
    for (; n < REPLACED_GROUP && first + n < l->n_windows; n++) {
        positions[n] = positions_of(l, first + n);
    }
    const size_t k = replaced_choose_donor(positions, n, window - first);
    return k == SIZE_MAX ? SIZE_MAX : first + k;
}

/* The window of the layout that has these tokens. */
static size_t window_of(const struct layout *l, const uint32_t *tokens)
{
    return layout_window_of(l, (size_t)(tokens - l->ids));
}

/* The place of a donor, or where it would stand. */
static size_t place_of(const struct donor_place *places, size_t n, size_t window)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (places[middle].window < window) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* engine_replaced.donor */
static struct engine_donor find(void *context, const struct engine_window *window)
{
    const struct donors *d = context;
    const size_t donor = donors_find(d->layout, window_of(d->layout, window->tokens));
    const size_t i = place_of(d->places, d->n_places, donor);
    assert(i < d->n_places && d->places[i].window == donor);
    return (struct engine_donor){.values = d->values + d->places[i].begin * d->changes->width,
                                 .rows = d->places[i].rows};
}

void donors_init(struct donors *d, const struct changes *changes, const float *mean)
{
    *d = (struct donors){.changes = changes};
    d->by = (struct engine_replaced){.mean = mean, .donor = find, .context = d};
}

void donors_free(struct donors *d)
{
    free(d->values);
    free(d->places);
    free(d->needed);
    free(d->windows);
    *d = (struct donors){0};
}

void donors_forget(struct donors *d)
{
    d->layout = NULL;
    d->n_places = 0;
}

/* Lists what a window takes from its donor. */
static int need(struct donors *d, const struct layout *l, const struct engine_window *w,
                struct err *err)
{
    const size_t window = window_of(l, w->tokens), donor = donors_find(l, window);
    assert(donor != SIZE_MAX);
    const size_t own = positions_of(l, window), its = positions_of(l, donor);
    const size_t rows = own < its ? own : its;
    const size_t at = place_of(d->needed, d->n_needed, donor);
    if (at < d->n_needed && d->needed[at].window == donor) {
        d->needed[at].rows = rows > d->needed[at].rows ? rows : d->needed[at].rows;
        return 0;
    }
    const int rc =
        mem_reserve(&d->needed, &d->needed_cap, d->n_needed + 1, sizeof *d->needed, "donors", err);
    if (rc) {
        return rc;
    }
    memmove(&d->needed[at + 1], &d->needed[at], (d->n_needed - at) * sizeof *d->needed);
    d->needed[at] = (struct donor_place){.window = donor, .rows = rows};
    d->n_needed++;
    return 0;
}

/* Is all that is needed at hand? */
static bool has_all(const struct donors *d)
{
    bool all = true;
    for (size_t i = 0; i < d->n_needed && all; i++) {
        const size_t k = place_of(d->places, d->n_places, d->needed[i].window);
        all = k < d->n_places && d->places[k].window == d->needed[i].window &&
              d->places[k].rows >= d->needed[i].rows;
    }
    return all;
}

/* Runs the beginnings of the donors that are needed. */
static int record(struct donors *d, struct engine_ctx *ctx, const atomic_int *stop, struct err *err)
{
    const struct layout *l = d->layout;
    size_t rows = 0;
    d->n_places = 0;
    int rc =
        mem_reserve(&d->windows, &d->windows_cap, d->n_needed, sizeof *d->windows, "donors", err);
    rc =
        rc ? rc
           : mem_reserve(&d->places, &d->places_cap, d->n_needed, sizeof *d->places, "donors", err);
    for (size_t i = 0; i < d->n_needed && !rc; i++) {
        const struct layout_window *w = &l->windows[d->needed[i].window];
        d->needed[i].begin = rows;
        rows += d->needed[i].rows;
        d->windows[i] = (struct engine_window){
            .first = w->first, .tokens = l->ids + w->begin, .n = d->needed[i].rows - 1};
    }
    rc = rc ? rc
            : mem_reserve(&d->values, &d->values_cap, rows * d->changes->width, sizeof *d->values,
                          "donors", err);
    if (rc) {
        return rc;
    }
    engine_record(ctx, d->windows, d->n_needed, d->changes, d->values, stop);
    memcpy(d->places, d->needed, d->n_needed * sizeof *d->places);
    d->n_places = d->n_needed;
    return 0;
}

int donors_need(struct donors *d, struct engine_ctx *ctx, const struct layout *layout,
                const struct engine_window *windows, size_t n, const atomic_int *stop,
                struct err *err)
{
    int rc = 0;
    if (d->layout != layout) {
        donors_forget(d);
        d->layout = layout;
    }
    d->n_needed = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = need(d, layout, &windows[i], err);
    }
    return rc || has_all(d) ? rc : record(d, ctx, stop, err);
}
