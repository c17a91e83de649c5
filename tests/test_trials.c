/*
 * Trials of trigrams: neurons that were planted are found and told apart, decoys are none; the
 * numbers of models of several layers are those of a slow reference, made of forward.h and patch.h.
 */
#include "tests/golden_model.h"

#include <math.h>
#include <sys/stat.h>

#include "model/forward.h"
#include "model/logprob.h"
#include "model/patch.h"
#include "scan/trials.h"
#include "tests/folder.h"
#include "tests/planted_model.h"
#include "tests/random.h"

// Nats, and activations relative to the largest of their row or 1.
#define MAX_NATS 1e-4
#define MAX_ACTS 2e-5

struct at_work {
    struct engine *engine;
    struct engine_run *run;
    struct trials *trials;
};

static struct at_work start(const struct model *m, const struct kern *k, enum site site)
{
    struct at_work w;
    assert_int_equal(engine_new(&w.engine, m, k, PRECISION_EXACT, NULL), 0);
    assert_int_equal(engine_run_new(&w.run, w.engine, NULL), 0);
    assert_int_equal(trials_new(&w.trials, w.engine, site, NULL), 0);
    return w;
}

static void stop(struct at_work *w)
{
    trials_free(w->trials);
    engine_run_free(w->run);
    engine_free(w->engine);
}

// --- a trigram to ask ---------------------------------------------------------------------------

#define LONGEST 40
#define PLACES (TRIALS_CONTEXTS + TRIALS_ELSEWHERE)

struct asked {
    struct trials_trigram trigram;
    struct trials_context contexts[PLACES];
    uint32_t ids[PLACES][LONGEST];
    uint32_t fillers[2][TRIALS_LISTED];
};

/* Random contexts of 2 tokens and more, elsewhere of 1 and more, 'longest' at most; fillers and all
 * other tokens from 'from' on. */
static void make_asked(struct asked *q, uint32_t a, uint32_t b, uint32_t c, uint32_t from,
                       uint32_t d_vocab, size_t longest)
{
    for (size_t k = 0; k < PLACES; k++) {
        const bool here = k < TRIALS_CONTEXTS;
        const size_t n = (here ? 2 : 1) + k * 5 % (longest - 1);
        for (size_t i = 0; i < n; i++) {
            q->ids[k][i] = from + next_random(d_vocab - from);
        }
        q->ids[k][n - 1] = b;
        if (here) {
            q->ids[k][n - 2] = a;
        }
        q->contexts[k] = (struct trials_context){
            .first = from + next_random(d_vocab - from), .ids = q->ids[k], .n = n};
    }
    for (size_t i = 0; i < TRIALS_LISTED; i++) { // all different
        q->fillers[0][i] = from + (uint32_t)(7 * i);
        q->fillers[1][i] = from + (uint32_t)(7 * i + 3);
    }
    q->trigram = (struct trials_trigram){.a = a,
                                         .b = b,
                                         .c = c,
                                         .fillers_a = q->fillers[0],
                                         .fillers_b = q->fillers[1],
                                         .n_fillers_a = 5,
                                         .n_fillers_b = 6,
                                         .contexts = q->contexts,
                                         .n_contexts = TRIALS_CONTEXTS,
                                         .elsewhere = q->contexts + TRIALS_CONTEXTS,
                                         .n_elsewhere = TRIALS_ELSEWHERE};
}

// --- planted ------------------------------------------------------------------------------------

static const struct planted_trigram trigrams[] = {
    {PLANTED_AND, 1, 2, 3, 4},        {PLANTED_SPREAD, 5, 6, 7, 8},
    {PLANTED_B_ONLY, 9, 10, 11, 12},  {PLANTED_A_ONLY, 13, 14, 15, 16},
    {PLANTED_BIGRAM, 17, 18, 19, 20}, {PLANTED_SKIP, 21, 22, 23, 24},
    {PLANTED_AND, 25, 26, 27, 28}, // a second one of a kind
};
#define N_TRIGRAMS (sizeof trigrams / sizeof *trigrams)
#define FROM 32 // all other tokens

static const struct planted planted = {.trigrams = trigrams, .n = N_TRIGRAMS, .d_vocab = 300};

static struct model *planted_model(bool attn_only)
{
    char dir[256];
    struct model *m = NULL;
    struct err err = {0};
    snprintf(dir, sizeof dir, "%s/%s", folder, attn_only ? "twin" : "planted");
    mkdir(dir, 0777);
    planted_write(&planted, attn_only, dir);
    if (model_load(&m, "planted", dir, &err)) {
        fail_msg("%s", err.msg);
    }
    return m;
}

static void ask(struct at_work *w, const struct planted_trigram *t, struct asked *q,
                struct trials_result *out)
{
    make_asked(q, t->a, t->b, t->c, FROM, 300, PLANTED_N_CTX - 1);
    trials_run(w->trials, w->run, &q->trigram, out, NULL);
    assert_int_equal(out->contexts, TRIALS_CONTEXTS);
    assert_int_equal(out->pairs, TRIALS_CONTEXTS * TRIALS_FILLERS);
}

static const char *const verdicts[][2] = {
    [PLANTED_AND] = {"AND-like", "no interaction"},
    [PLANTED_SPREAD] = {"spread", "no interaction"},
    [PLANTED_B_ONLY] = {"B-only", "no neurons"},
    [PLANTED_A_ONLY] = {"A-only", "no interaction"},
    [PLANTED_BIGRAM] = {"no interaction", "no interaction"},
    [PLANTED_SKIP] = {"no interaction", "no interaction"},
};

static void what_was_planted_is_found(void **state)
{
    (void)state;
    static struct asked q;
    struct trials_result r;
    for (int twin = 0; twin < 2; twin++) {
        struct model *m = planted_model(twin);
        struct at_work w = start(m, kern_best(), SITE_POST);
        for (size_t k = 0; k < N_TRIGRAMS; k++) {
            ask(&w, &trigrams[k], &q, &r);
            const char *wanted = verdicts[trigrams[k].kind][twin];
            if (strcmp(trials_verdict_name(&r), wanted) != 0) {
                fail_msg("trigram %zu: %s, not %s; interaction %.3f, se %.3f", k,
                         trials_verdict_name(&r), wanted, r.table.interaction, r.table.se);
            }
            if (r.verdict == TRIALS_NAMED) {
                assert_int_equal(r.neurons[r.named].index, planted_neuron(&planted, k));
                assert_int_equal(r.neurons[r.named].layer, 0);
                assert_int_equal(r.named, 0);
            } else {
                assert_true(r.named == SIZE_MAX);
            }
        }
        stop(&w);
        model_free(m);
    }
}

/* By hand: an AND neuron has post 4 in AB, and gelu(-4) = -1.3e-4 or less elsewhere; it adds 12 to
 * C's logit, which without it is about that of any token. */
static void an_and_neuron_is_as_it_was_planted(void **state)
{
    (void)state;
    static struct asked q;
    struct trials_result r;
    struct model *m = planted_model(false);
    struct at_work w = start(m, kern_best(), SITE_POST);
    ask(&w, &trigrams[0], &q, &r);
    const struct trials_neuron *n = &r.neurons[0];
    assert_true(fabs(n->pairs.cells[TRIALS_AB] - 4) < 2e-4);
    for (size_t k = TRIALS_XB; k < TRIALS_CELLS; k++) {
        assert_true(fabs(n->pairs.cells[k]) < 2e-4);
    }
    assert_true(fabs(n->pairs.interaction - 4) < 6e-4);
    assert_true(n->pairs.se < 1e-4);
    assert_true(fabs(n->direct - 3 * (1 - 1 / 300.0)) < 1e-5);
    assert_true(fabs(n->written - 4 * n->direct) < 1e-2);
    assert_true(n->share > 0.95 && n->share <= 1);
    assert_int_equal(r.n_half, 1);
    // with it C has all but exp(9 - 12); without it D has nearly all
    assert_true(r.table.cells[TRIALS_AB] > -0.1 && r.table.cells[TRIALS_XB] < -8);
    assert_true(n->ablated < -8 && n->ablated_se > 0 && n->ablated_se < 1);
    assert_true(fabs(n->elsewhere) < 1e-2);
    assert_true(isnan(n->corpus_interaction));
    stop(&w);
    model_free(m);
}

static void many_neurons_share_evenly(void **state)
{
    (void)state;
    static struct asked q;
    struct trials_result r;
    struct model *m = planted_model(false);
    struct at_work w = start(m, kern_best(), SITE_POST);
    ask(&w, &trigrams[1], &q, &r);
    assert_int_equal(r.n_half, PLANTED_MANY / 2);
    assert_int_equal(r.n_neurons, TRIALS_NEURONS);
    for (size_t i = 0; i < r.n_neurons; i++) {
        const size_t from = planted_neuron(&planted, 1);
        const struct trials_neuron *n = &r.neurons[i];
        if (n->index >= from && n->index < from + PLANTED_MANY) {
            assert_true(fabs(n->share * PLANTED_MANY - 1) < 0.05);
            assert_int_equal(n->kind, TRIALS_AND_LIKE);
        }
    }
    stop(&w);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_planted_is_found),
        cmocka_unit_test(an_and_neuron_is_as_it_was_planted),
        cmocka_unit_test(many_neurons_share_evenly),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
