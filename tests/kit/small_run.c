#include "tests/kit/small_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/results/classes/classes_collector.h"
#include "out/results/classes/classes.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/store_file.h"

static void small_shape(struct small *r)
{
    r->ask.watches = r->watches;
    neurons_shape_free(r->neurons);
    assert_int_equal(neurons_shape_make(&r->neurons, &r->run, &r->ask, NULL), 0);
}

struct small small_run(size_t n_hypotheses, uint32_t examples)
{
    struct small small = {.run = sample_run(), .ask = {.examples = examples}};
    struct run *r = &small.run;
    for (size_t m = 1; m < 3; m++) {
        free(r->models[m].site);
        r->models[m].site = strdup(m == 1 ? "post" : "mid");
        r->models[m].n_layers = m;
        r->models[m].d_mlp = 1 + m;
    }
    r->n_hypotheses = n_hypotheses;
    r->hypotheses = calloc(n_hypotheses + 1, sizeof *r->hypotheses);
    for (size_t h = 0; h < n_hypotheses; h++) {
        char name[] = "h0";
        name[1] = (char)('0' + h);
        r->hypotheses[h] = (struct run_hypothesis){
            .name = strdup(name), .kind = strdup("regex"), .spec = strdup("{}")};
    }
    small_shape(&small);
    return small;
}

void small_free(struct small *r)
{
    neurons_shape_free(r->neurons);
    run_free(&r->run);
}

void watch(struct small *r, uint32_t layer, uint32_t neuron, uint32_t hypothesis)
{
    r->watches[r->ask.n_watches++] =
        (struct neurons_watch){.layer = layer, .neuron = neuron, .hypothesis = hypothesis};
    small_shape(r);
}

void write_tables(const struct small *r, struct neurons *n)
{
    struct store *s = NULL;
    struct tally *t = NULL;
    struct err err = {0};
    bool exists;
    struct tally_shape shape = gaps_shape(&r->run);
    ok(tally_new(&t, &shape, &err), &err);
    struct classes_shape *classes_shape;
    struct classes *classes;
    ok(classes_shape_new(&classes_shape, &r->run, &err), &err);
    ok(classes_new(&classes, classes_shape, &err), &err);
    struct collector items[] = {{&neurons_collector, r->neurons, n},
                                {&gaps_collector, &shape, t},
                                {&classes_collector, classes_shape, classes}};
    const struct results results = {items, 3};
    ok(store_open(&s, path, &exists, &err), &err);
    ok(store_checkpoint(s, &r->run, &results, true, NULL, &err), &err);
    store_close(s);
    tally_free(t);
    classes_free(classes);
    classes_shape_free(classes_shape);
}
