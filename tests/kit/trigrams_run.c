#include "tests/kit/trigrams_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "out/results/gaps/gaps_collector.h"
#include "out/results/neurons/neurons_collector.h"
#include "out/results/trigrams/trigrams_collector.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/store_file.h"
#include "tests/kit/tally_whole.h"

/* Of the second there is no place. */
static const struct trigram items[] = {
    {.a = 1,
     .b = 2,
     .c = 3,
     .count = 40,
     .count_ab = 50,
     .count_bc = 60,
     .count_b = 700,
     .count_c = 800,
     .p = 0.75,
     .p_bigram = 0.0625,
     .p_skip = {0.125, 0.25, 0.375, 0.5},
     .p_added = 0.3125,
     .n_fillers = {2, 1},
     .fillers = {{7, 8}, {9}}},
    {.a = 2, .b = 2, .c = 1, .count = 11, .p = 0.5, .p_bigram = NAN},
};

void whole_find(struct whole *w)
{
    w->tally = results_whole(&w->results, &gaps_collector);
    w->trigrams = results_whole(&w->results, &trigrams_collector);
}

void whole_begin(struct whole *w)
{
    static const char *const tokens[] = {
        "<|EOS|>", " the", "say \"it's\"", "\xe2\x82", "\n", "e", "f", "g", "h", "i"};
    *w = (struct whole){.run = sample_run()};
    struct run *r = &w->run;
    buf_free(&r->token_texts);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(run_add_token(r, tokens[i], strlen(tokens[i]), NULL), 0);
    }
    free(r->models[2].name);
    r->models[2].name = strdup("t\"wo");
    free(r->models[1].site);
    r->models[1].site = strdup("post");
    r->models[1].n_layers = 2;
    r->models[1].d_mlp = 3;
    const struct neurons_ask ask = {.examples = 5};
    struct neurons_shape *neurons_shape = NULL;
    struct trigrams_shape *trigrams_shape = NULL;
    assert_int_equal(neurons_shape_make(&neurons_shape, r, &ask, NULL), 0);
    assert_int_equal(trigrams_shape_of(&trigrams_shape, r, items, 2, NULL), 0);
    assert_int_equal(results_new(&w->results, r, NULL), 0);
    assert_int_equal(results_join(&w->results, &neurons_collector, neurons_shape, NULL), 0);
    assert_int_equal(results_join(&w->results, &trigrams_collector, trigrams_shape, NULL), 0);
    assert_int_equal(results_new_wholes(&w->results, NULL), 0);
    whole_find(w);
}

void whole_end(struct whole *w)
{
    results_free(&w->results);
    run_free(&w->run);
}

/* A document as a unit of its own; neuron k of either layer does i + k / 2 at token i. */
static void add(struct whole *w, struct tally_doc *doc, const size_t *windows, size_t n_windows)
{
    float acts[3 * 20], *row = acts;
    struct trigrams *t;
    const struct unit_tokens_doc only = {.n = doc->n, .first = 0};
    const struct unit_tokens unit = {
        .ids = doc->ids, .pos = doc->pos, .n = doc->n, .docs = &only, .n_docs = 1};
    for (size_t k = 0, i = 0; k < n_windows; k++) {
        for (size_t at = 0; at <= windows[k]; at++, row += 3) {
            for (size_t neuron = 0; neuron < 3; neuron++) {
                row[neuron] = at == 0 ? 99 : (float)i + (float)neuron / 2;
            }
            i += at > 0;
        }
    }
    assert_int_equal(trigrams_new(&t, w->trigrams->shape, NULL), 0);
    assert_int_equal(trigrams_begin(t, &unit, NULL), 0);
    for (size_t layer = 0; layer < 2; layer++) {
        trigrams_block(t, layer, 0, windows, n_windows, acts);
    }
    assert_int_equal(trigrams_add_doc(t, 0, doc, w->run.pairs, w->run.floor, NULL), 0);
    assert_int_equal(trigrams_merge(w->trigrams, t, NULL), 0);
    assert_int_equal(tally_add_whole(w->tally, doc, NULL, NULL, NULL), 0);
    trigrams_free(t);
}

void add_first(struct whole *w)
{
    static const uint32_t ids[] = {1, 2, 3, 2}, ends[] = {4, 14, 16, 26}, pos[] = {1, 2, 3, 4};
    static const double base[] = {-1, -1, -2, -1}, one[] = {-1, -1, -0.5, -1},
                        two[] = {-1, -1, -1, -1};
    static const double *const rows[] = {base, one, two};
    static const size_t windows[] = {4};
    struct tally_doc doc = {.number = 5,
                            .text = " thesay \"it's\"..say \"it's\"",
                            .text_len = 26,
                            .n = 4,
                            .ids = ids,
                            .ends = ends,
                            .pos = pos,
                            .logprob = rows};
    add(w, &doc, windows, 1);
}

void add_second(struct whole *w)
{
    static const uint32_t ids[] = {5, 1, 2, 3, 5, 2}, ends[] = {1, 5, 15, 17, 18, 28};
    static const uint32_t pos[] = {1, 2, 3, 4, 1, 2};
    static const double base[] = {-1, -1, -1, -8, -1, -3}, one[] = {-1, -1, -1, -1, -1, -3},
                        two[] = {-1, -1, -1, -7.5, -1, -3};
    static const double *const rows[] = {base, one, two};
    static const size_t windows[] = {4, 2};
    struct tally_doc doc = {.shard = 1,
                            .number = UINT64_C(1) << 40,
                            .text = "e thesay \"it's\"..esay \"it's\"",
                            .text_len = 28,
                            .n = 6,
                            .ids = ids,
                            .ends = ends,
                            .pos = pos,
                            .logprob = rows};
    add(w, &doc, windows, 2);
}
