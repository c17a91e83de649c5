/*
 * replaced.h - what replaces the values of a changed model: means over a text, and donors
 *
 *     replaced_init -> replaced_add, ... -> replaced_make_means     where it replaces by means
 *                   -> for each group of windows: replaced_begin_group -> engine_replace()
 *
 * resample: all positions of a window take their values from one other window, run unchanged: the
 * next, cyclically, of its group of 8 consecutive windows that is at least as long; where none is,
 * the next other of the group, position p > 0 taking 1 + (p - 1) mod (m - 1) of its m.  A window
 * without another has no donor, and neither has one whose others hold BOS alone: the changed model
 * says nothing there.
 *
 * Threads: one thread at a time.
 */
#ifndef GAPSCOPE_SCAN_WORK_REPLACED_H
#define GAPSCOPE_SCAN_WORK_REPLACED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

#define REPLACED_GROUP ((size_t)8)

/* The donor of window k of a group of n with these numbers of positions; SIZE_MAX: there is none. */
size_t replaced_choose_donor(const size_t *positions, size_t n, size_t k);

struct replaced {
    const struct changes *changes;
    struct engine_replaced by;

    // means
    double *sum; // [changes->width]
    float *mean; // [changes->width]
    uint64_t n_rows;

    // the group
    const struct engine_window *windows;
    float *values; // of the unchanged model at all rows of the windows
    size_t values_cap;
    size_t begin[REPLACED_GROUP]; // a window's first row
    size_t donor[REPLACED_GROUP]; // SIZE_MAX: none
};

/* The changes outlive *r, which does not move.  Errors: ERR_NOMEM; replaced_free() ends it also
 * then. */
int replaced_init(struct replaced *r, const struct changes *changes, struct err *err);
void replaced_free(struct replaced *r); // {0} is allowed

/* Adds the values of windows to the means, each position with weight 1.  Errors: ERR_NOMEM. */
int replaced_add(struct replaced *r, struct engine_ctx *ctx, const struct engine_window *windows,
                 size_t n, struct err *err);

/* The means are those of what was added, 0 of nothing. */
void replaced_make_means(struct replaced *r);

/* The next group, n <= REPLACED_GROUP windows; by->donor() knows them by their addresses.  Where
 * nothing is resampled any n will do.  Errors: ERR_NOMEM. */
int replaced_begin_group(struct replaced *r, struct engine_ctx *ctx,
                         const struct engine_window *windows, size_t n, struct err *err);

/* ERR_NOT_FOUND: a text for means, 'reference', holds no token. */
int replaced_refuse_none(const char *reference, struct err *err);

/* Means are those of documents of 'from': 'command' warns where these are few. */
void replaced_warn_few(const char *command, uint64_t docs, const char *from);

/* Does the changed model say anything of window k of the group? */
bool replaced_has_donor(const struct replaced *r, size_t k);

#endif
