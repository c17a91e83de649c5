/*
 * donors.h - the windows from which the resampled models of one model take values, in a unit
 *
 *     donors_need (windows that are to be run) -> engine_replace(&donors.by) -> the engine runs them
 *
 * Of a window's donor (replaced_choose_donor(), in its group of REPLACED_GROUP consecutive windows
 * of the unit) only the beginning is run, as far as the window takes values from it: later tokens
 * change nothing there.  What was recorded last stays, so that several models that run the same
 * windows one after the other record once.
 *
 * Threads: one thread at a time.
 */
#ifndef GAPSCOPE_SCAN_WORK_DONORS_H
#define GAPSCOPE_SCAN_WORK_DONORS_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/stop.h"
#include "model/pass/engine.h"
#include "scan/load/layout.h"

struct donors {
    const struct changes *changes; // what is recorded: a row holds the values of all models
    struct engine_replaced by;
    const struct layout *layout; // of the unit in hand; NULL: none
    float *values;
    struct donor_place {
        size_t window; // of the layout
        size_t begin;  // its first row of 'values'
        size_t rows;
    } * places, *needed; // [n_places] and [n_needed], ascending by window
    struct engine_window *windows;
    size_t n_places, n_needed, values_cap, places_cap, needed_cap, windows_cap;
};

/* mean: [changes->width], or NULL.  Both outlive *d, which does not move; donors_free() ends it. */
void donors_init(struct donors *d, const struct changes *changes, const float *mean);
void donors_free(struct donors *d); // {0} is allowed

/* The donor of a window of the layout; SIZE_MAX: it has none. */
size_t donors_find(const struct layout *l, size_t window);

/* Records what windows[n] of a unit's layout need, each of which has a donor.  Errors: ERR_NOMEM. */
int donors_need(struct donors *d, struct engine_ctx *ctx, const struct layout *layout,
                const struct engine_window *windows, size_t n, const atomic_int *stop,
                struct err *err);

/* Forgets the unit, whose layout may be made anew in the same memory. */
void donors_forget(struct donors *d);

#endif
