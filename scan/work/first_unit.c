#include "scan/work/first_unit.h"

#include <stdlib.h>
#include <time.h>

int first_unit_layout(struct layout *out, const struct pipeline_options *p, struct err *err)
{
    struct units *units = NULL;
    struct unit unit = {0};
    int rc = units_open(&units, p->shards, &p->units, err);
    rc = rc ? rc : units_next(units, &unit, err);
    if (!rc && unit.number != UNIT_END) {
        rc = layout_make(out, &unit, &p->work->layout, err);
    }
    units_close(units);
    unit_free(&unit);
    return rc;
}

int first_unit_run(struct first_unit *out, const struct pipeline_options *p,
                   const struct work *work, struct neurons *neurons, struct err *err)
{
    struct units *units = NULL;
    struct unit unit = {0};
    struct worker *w = NULL;
    struct tally *t = NULL;
    struct unit_neurons *part = NULL;
    bool stopped;
    *out = (struct first_unit){0};
    int rc = units_open(&units, p->shards, &p->units, err);
    rc = rc ? rc : units_next(units, &unit, err);
    out->none = unit.number == UNIT_END;
    if (rc || out->none) {
        goto out;
    }
    out->raw = units_tell_raw(units);
    rc = worker_new(&w, work, err);
    rc = rc ? rc : tally_new(&t, work->shape, err);
    rc = rc || !neurons ? rc : unit_neurons_new(&part, work->neurons, err);
    if (rc) {
        goto out;
    }
    const struct worker_out to = {.tally = t, .part = part};
    const clock_t begin = clock();
    rc = worker_run(w, &unit, &to, &stopped, err);
    out->seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    out->docs = t->shards[unit.shard].docs;
    out->tokens = t->shards[unit.shard].tokens;
    if (!rc && !stopped && part) {
        rc = neurons_add(neurons, part, err);
    }
out:
    units_close(units);
    unit_free(&unit);
    worker_free(w);
    unit_neurons_free(part);
    tally_free(t);
    return rc;
}
