#include "scan/work/first_unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpora/base/stop.h"
#include "corpora/record_keys.h"
#include "corpora/shards.h"
#include "scan/load/nothing_read.h"

/* Reads the corpus' first unit; UNIT_END where there is none. */
static int read_first(struct unit *unit, const struct pipeline_options *p, struct err *err)
{
    struct units *units = NULL;
    int rc = units_open(&units, p->shards, &p->units, err);
    rc = rc ? rc : units_next(units, unit, err);
    units_close(units);
    return rc;
}

int first_unit_layout(struct layout *out, const struct pipeline_options *p, struct err *err)
{
    struct unit unit = {0};
    int rc = read_first(&unit, p, err);
    if (!rc && unit.number != UNIT_END) {
        rc = layout_make(out, &unit, &p->work->layout, err);
    }
    unit_free(&unit);
    return rc;
}

/* Are there wholes that the unit can be added to? */
static bool has_wholes(const struct results *r)
{
    bool all = true;
    for (size_t i = 0; i < r->n; i++) {
        all = all && (r->items[i].whole || !r->items[i].kind->whole_new);
    }
    return all;
}

int first_unit_run(struct first_unit *out, const struct pipeline_options *p,
                   const struct work *work, struct err *err)
{
    struct unit unit = {0};
    struct worker *w = NULL;
    bool stopped = false;
    *out = (struct first_unit){0};
    int rc = read_first(&unit, p, err);
    out->none = unit.number == UNIT_END;
    if (rc || out->none) {
        goto out;
    }
    rc = worker_new(&w, work, err);
    if (rc) {
        goto out;
    }
    const clock_t begin = clock();
    rc = worker_run(w, &unit, &stopped, err);
    out->seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    out->times = worker_times(w);
    out->docs = worker_docs(w);
    memcpy(out->rejects, unit.rejects.n, sizeof out->rejects);
    out->tokens = worker_tokens(w);
    out->double_bos = worker_double_bos(w);
    if (!rc && !stopped && has_wholes(work->results)) {
        rc = worker_add(w, err);
    }
out:
    unit_free(&unit);
    worker_free(w);
    return rc;
}

static double unit_size(const struct unit *u)
{
    return (double)(u->text.len > 0 ? u->text.len : u->n_ids);
}

int first_unit_corpus(double *n_units, const struct pipeline_options *p, struct err *err)
{
    struct units *units = NULL;
    struct unit unit = {0};
    double first = 0, all = 0;
    *n_units = 0;
    int rc = units_open(&units, p->shards, &p->units, err);
    for (size_t i = 0; i < FIRST_UNIT_LOOK && !rc && unit.number != UNIT_END; i++) {
        rc = units_next(units, &unit, err);
        if (!rc && unit.number != UNIT_END) {
            first = i == 0 ? unit_size(&unit) : first;
            all += unit_size(&unit);
        }
    }
    if (!rc && first > 0) {
        const double bytes = (double)shards_bytes(p->shards), seen = (double)units_tell_raw(units);
        *n_units = all / first * (unit.number != UNIT_END && seen > 0 ? bytes / seen : 1);
    }
    unit_free(&unit);
    units_close(units);
    return rc;
}

/* Reads into *u up to the first unit that has a document. */
static int find_document(struct unit *u, const struct pipeline_options *p, const char *field,
                         struct err *err)
{
    struct units *units = NULL;
    uint64_t n[REJECT_N] = {0}, skipped = 0;
    int rc = units_open(&units, p->shards, &p->units, err);
    rc = rc ? rc : units_next(units, u, err);
    while (!rc && u->number != UNIT_END && u->n_docs == 0 && !is_stopped(p->work->stop)) {
        for (size_t k = 0; k < REJECT_N; k++) {
            n[k] += u->rejects.n[k];
            skipped += u->rejects.n[k];
        }
        rc = units_next(units, u, err);
    }
    if (!rc && u->number == UNIT_END && skipped > 0) {
        struct record_keys keys;
        record_keys_of_shards(&keys, p->shards);
        rc = nothing_read(n, field, &keys, err);
    }
    units_close(units);
    return rc;
}

int first_unit_try(const struct pipeline_options *p, const char *field, struct err *err)
{
    const struct results none = {0};
    struct work work = *p->work;
    struct unit unit = {0};
    struct worker *w = NULL;
    bool stopped = false;
    work.results = &none;
    int rc = find_document(&unit, p, field, err);
    if (!rc && unit.number != UNIT_END && !is_stopped(work.stop)) {
        const char *name = p->shards->items[unit.shard].name;
        work.refused = work.refused == UINT64_MAX ? UINT64_MAX : unit.number;
        rc = worker_new(&w, &work, err);
        rc = rc ? rc : worker_run(w, &unit, &stopped, err);
        rc = rc ? err_prefix(err, "%s", name) : 0;
    }
    unit_free(&unit);
    worker_free(w);
    return rc;
}

// --- before a scan ------------------------------------------------------------------------------

struct before {
    const struct pipeline_options *options;
    const struct work *work;
};

static int run_one(void *context, const struct collector_kind *kind, const void *shape, void *whole,
                   struct err *err)
{
    const struct before *b = context;
    struct collector only = {.kind = kind, .whole = whole};
    const struct results results = {.items = &only, .n = 1};
    struct work work = *b->work;
    struct first_unit first;
    memcpy(&only.shape, &shape, sizeof only.shape); // it is read only
    work.results = &results;
    work.leaves_changed = true; // nothing that is fixed before a scan depends on them
    return first_unit_run(&first, b->options, &work, err);
}

static bool is_stopped_before(const void *context)
{
    const struct before *b = context;
    return is_stopped(b->work->stop);
}

int first_unit_before_scan(const struct pipeline_options *p, const struct work *work,
                           struct run *run, struct err *err)
{
    struct before b = {.options = p, .work = work};
    const struct collector_before before = {
        .first_unit = run_one, .stopped = is_stopped_before, .context = &b};
    int rc = 0;
    for (size_t i = 0; i < work->results->n && !rc && !is_stopped(work->stop); i++) {
        const struct collector *c = &work->results->items[i];
        if (c->kind->before_scan && !c->whole) {
            rc = c->kind->before_scan(c->shape, run, &before, err);
        }
    }
    return rc;
}
