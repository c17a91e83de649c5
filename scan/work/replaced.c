#include "scan/work/replaced.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

// Means of fewer documents say little.
#define FEW_DOCS 30

size_t replaced_choose_donor(const size_t *positions, size_t n, size_t k)
{
    for (size_t i = 1; i < n; i++) {
        if (positions[(k + i) % n] >= positions[k]) {
            return (k + i) % n;
        }
    }
    for (size_t i = 1; i < n; i++) {
        if (positions[(k + i) % n] > 1) {
            return (k + i) % n;
        }
    }
    return SIZE_MAX;
}

/* engine_replaced.donor */
static struct engine_donor find_donor(void *context, const struct engine_window *window)
{
    const struct replaced *r = context;
    const size_t from = r->donor[window - r->windows];
    assert(from != SIZE_MAX);
    return (struct engine_donor){.values = r->values + r->begin[from] * r->changes->width,
                                 .rows = r->windows[from].n + 1};
}

int replaced_init(struct replaced *r, const struct changes *changes, struct err *err)
{
    *r = (struct replaced){.changes = changes};
    r->sum = mem_zero(changes->width, sizeof *r->sum);
    r->mean = mem_zero(changes->width, sizeof *r->mean);
    r->by = (struct engine_replaced){.mean = r->mean, .donor = find_donor, .context = r};
    return r->sum && r->mean ? 0 : err_nomem(err, "a changed model");
}

void replaced_free(struct replaced *r)
{
    free(r->sum);
    free(r->mean);
    free(r->values);
    *r = (struct replaced){0};
}

/* The unchanged model's values of windows. */
static int record(struct replaced *r, struct engine_ctx *ctx, const struct engine_window *windows,
                  size_t n, size_t *n_rows, struct err *err)
{
    *n_rows = 0;
    for (size_t k = 0; k < n; k++) {
        *n_rows += windows[k].n + 1;
    }
    const int rc = mem_reserve(&r->values, &r->values_cap, *n_rows * r->changes->width,
                               sizeof *r->values, "a changed model", err);
    if (!rc) {
        engine_record(ctx, windows, n, r->changes, r->values, NULL);
    }
    return rc;
}

int replaced_add(struct replaced *r, struct engine_ctx *ctx, const struct engine_window *windows,
                 size_t n, struct err *err)
{
    size_t n_rows;
    const int rc = record(r, ctx, windows, n, &n_rows, err);
    for (size_t i = 0; i < n_rows && !rc; i++) {
        for (size_t j = 0; j < r->changes->width; j++) {
            r->sum[j] += (double)r->values[i * r->changes->width + j];
        }
    }
    r->n_rows += rc ? 0 : n_rows;
    return rc;
}

void replaced_make_means(struct replaced *r)
{
    for (size_t j = 0; j < r->changes->width && r->n_rows > 0; j++) {
        r->mean[j] = (float)(r->sum[j] / (double)r->n_rows);
    }
}

int replaced_begin_group(struct replaced *r, struct engine_ctx *ctx,
                         const struct engine_window *windows, size_t n, struct err *err)
{
    size_t positions[REPLACED_GROUP], n_rows = 0;
    r->windows = windows;
    if (!r->changes->has[CHANGE_RESAMPLE]) {
        return 0;
    }
    assert(n <= REPLACED_GROUP);
    for (size_t k = 0; k < n; k++) {
        positions[k] = windows[k].n + 1;
        r->begin[k] = n_rows;
        n_rows += positions[k];
    }
    for (size_t k = 0; k < n; k++) {
        r->donor[k] = replaced_choose_donor(positions, n, k);
    }
    return record(r, ctx, windows, n, &n_rows, err);
}

bool replaced_has_donor(const struct replaced *r, size_t k)
{
    return !r->changes->has[CHANGE_RESAMPLE] || r->donor[k] != SIZE_MAX;
}

void replaced_warn_few(const char *command, uint64_t docs, const char *from)
{
    if (docs < FEW_DOCS) {
        fprintf(stderr,
                "gapscope %s: means are those of %" PRIu64 " document%s of %s: few (--reference "
                "FILE takes them from another text)\n",
                command, docs, docs == 1 ? "" : "s", from);
    }
}

int replaced_refuse_none(const char *reference, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "--reference %s: it holds no token", reference);
}
