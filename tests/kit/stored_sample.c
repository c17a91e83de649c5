#include "tests/kit/stored_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/results/gaps/gaps_collector.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/store_file.h"
#include "tests/kit/tally_whole.h"

void whole_begin(struct whole *w)
{
    *w = (struct whole){.run = sample_run()};
    w->tally = sample_results(&w->results, &w->run);
}

void whole_end(struct whole *w)
{
    results_free(&w->results);
    run_free(&w->run);
}

struct store *open_store(bool wanted)
{
    struct store *s = NULL;
    struct err err = {0};
    bool exists = !wanted;
    ok(store_open(&s, path, &exists, &err), &err);
    assert_int_equal(exists, wanted);
    return s;
}

void checkpoint(struct store *s, const struct whole *w, bool full, const char *const *meta)
{
    struct err err = {0};
    ok(store_checkpoint(s, &w->run, &w->results, full, meta, &err), &err);
}

void write_sample(uint64_t n, uint64_t n_units)
{
    struct whole w;
    whole_begin(&w);
    for (uint64_t unit = 0; unit < n; unit++) {
        sample_add_unit(&w.run, w.tally, unit);
    }
    w.run.counted = n_units > 0;
    w.run.n_units = n_units;
    struct store *s = open_store(false);
    checkpoint(s, &w, true, NULL);
    store_close(s);
    whole_end(&w);
}

int load(struct whole *w, struct err *err)
{
    struct store *s = NULL;
    int rc = store_open_read(&s, path, err);
    if (!rc) {
        rc = store_load(s, &w->run, &w->results, err);
        w->tally = results_whole(&w->results, &gaps_collector);
    }
    store_close(s);
    return rc;
}
