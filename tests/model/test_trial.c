/*
 * Trials of trigrams: planted neurons are found and told apart, decoys are not found; and lists of
 * any length do what the header says.
 */
#include "tests/kit/trial_kit.h"

#include <math.h>
#include <sys/stat.h>

#include "tests/kit/folder.h"
#include "tests/kit/planted_model.h"

// --- planted ------------------------------------------------------------------------------------

static const struct planted_trigram trigrams[] = {
    {PLANTED_BY_AND, 1, 2, 3, 4},        {PLANTED_BY_SPREAD, 5, 6, 7, 8},
    {PLANTED_BY_B_ONLY, 9, 10, 11, 12},  {PLANTED_BY_A_ONLY, 13, 14, 15, 16},
    {PLANTED_BY_BIGRAM, 17, 18, 19, 20}, {PLANTED_BY_SKIP, 21, 22, 23, 24},
    {PLANTED_BY_BOTH, 25, 26, 27, 28},   {PLANTED_BY_AND, 29, 30, 31, 0}, // a second one of a kind
    {PLANTED_BY_EITHER, 32, 33, 34, 35},
};
#define N_TRIGRAMS (sizeof trigrams / sizeof *trigrams)

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

static void ask(struct trial_at_work *w, const struct planted_trigram *t, struct asked *q,
                struct trial_result *out)
{
    make_asked(q, t->a, t->b, t->c, ASKED_FROM, 300, PLANTED_N_CTX - 1);
    trial_run(w->trials, w->ctx, &q->trigram, out, NULL);
    assert_int_equal(out->contexts, TRIAL_CONTEXTS);
    assert_int_equal(out->pairs, TRIAL_CONTEXTS * TRIAL_FILLERS);
}

static const char *const verdicts[][2] = {
    [PLANTED_BY_AND] = {"AND-like", "no interaction"},
    [PLANTED_BY_SPREAD] = {"spread", "no interaction"},
    [PLANTED_BY_B_ONLY] = {"B-only", "no neurons"},
    [PLANTED_BY_A_ONLY] = {"A-only", "no interaction"},
    [PLANTED_BY_BOTH] = {"AND-like", "no interaction"},
    [PLANTED_BY_BIGRAM] = {"no interaction", "no interaction"},
    [PLANTED_BY_SKIP] = {"no interaction", "no interaction"},
    [PLANTED_BY_EITHER] = {"negative interaction", "negative interaction"},
};

static void what_was_planted_is_found(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    for (int twin = 0; twin < 2; twin++) {
        struct model *m = planted_model(twin);
        struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
        for (size_t k = 0; k < N_TRIGRAMS; k++) {
            ask(&w, &trigrams[k], &q, &r);
            const char *wanted = verdicts[trigrams[k].way][twin];
            // A, B and C have noise of their own: where B leaves it no room, up to a nat is missing
            const bool noise = r.table.interaction < -0.5 && r.table.interaction > -1.2;
            if (noise && strcmp(wanted, "no interaction") == 0) {
                wanted = "negative interaction";
            }
            if (trigrams[k].way == PLANTED_BY_EITHER) {
                assert_true(r.table.interaction < -4);
            }
            if (strcmp(trial_verdict_name(&r), wanted) != 0) {
                fail_msg("trigram %zu: %s, not %s; interaction %.3f, se %.3f", k,
                         trial_verdict_name(&r), wanted, r.table.interaction, r.table.se);
            }
            if (r.verdict == TRIAL_NAMED) {
                const bool both = trigrams[k].way == PLANTED_BY_BOTH; // the other takes more
                assert_int_equal(r.named, both);
                assert_int_equal(r.neurons[r.named].index, planted_neuron(&planted, k) + both);
                assert_int_equal(r.neurons[r.named].layer, 0);
            } else {
                assert_true(r.named == SIZE_MAX);
            }
        }
        trial_stop(&w);
        model_free(m);
    }
}

/* An AND neuron has post 4 in AB, and gelu(-4) = -1.3e-4 or less elsewhere; it adds 12 to C's
 * logit, which without it is about that of any token. */
static void an_and_neuron_is_as_it_was_planted(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    struct model *m = planted_model(false);
    struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
    ask(&w, &trigrams[0], &q, &r);
    const struct trial_neuron *n = &r.neurons[0];
    assert_true(fabs(n->pairs.cells[TRIAL_AB] - 4) < 2e-4);
    for (size_t k = TRIAL_XB; k < TRIAL_CELLS; k++) {
        assert_true(fabs(n->pairs.cells[k]) < 2e-4);
    }
    assert_true(fabs(n->pairs.interaction - 4) < 6e-4);
    assert_true(n->pairs.se < 1e-4);
    assert_true(fabs(n->direct - 3 * (1 - 1 / 300.0)) < 1e-5);
    assert_true(fabs(n->written - 4 * n->direct) < 1e-2);
    assert_true(n->share > 0.95 && n->share <= 1);
    assert_int_equal(r.n_half, 1);
    // with it C has all but exp(9 - 12); without it D has nearly all
    assert_true(r.table.cells[TRIAL_AB] > -0.5 && r.table.cells[TRIAL_XB] < -7);
    assert_true(n->ablated < -7 && n->ablated_se > 0 && n->ablated_se < 1);
    assert_true(fabs(n->elsewhere) < 1e-2);
    assert_true(isnan(n->corpus_interaction));
    trial_stop(&w);
    model_free(m);
}

static void many_neurons_share_evenly(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    struct model *m = planted_model(false);
    struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
    ask(&w, &trigrams[1], &q, &r);
    assert_in_range(r.n_half, PLANTED_MANY / 2, PLANTED_MANY / 2 + 1); // there is a little noise
    assert_int_equal(r.n_neurons, TRIAL_NEURONS);
    for (size_t i = 0; i < r.n_neurons; i++) {
        const size_t from = planted_neuron(&planted, 1);
        const struct trial_neuron *n = &r.neurons[i];
        if (n->index >= from && n->index < from + PLANTED_MANY) {
            assert_true(fabs(n->share * PLANTED_MANY - 1) < 0.05);
            assert_int_equal(n->kind, TRIAL_AND_LIKE);
        }
    }
    trial_stop(&w);
    model_free(m);
}

// --- verdicts -----------------------------------------------------------------------------------

/* The verdict that the numbers give, by the rules of trial.h. */
static const char *plain_verdict(const struct trial_result *r)
{
    const double least = 0.25 * r->table.interaction;
    const char *other = NULL;
    if (r->contexts < 3) {
        return "too few places";
    }
    if (fabs(r->table.interaction) < fmax(0.5, 2 * r->table.se)) {
        return "no interaction";
    }
    if (r->table.interaction < 0) {
        return "negative interaction";
    }
    for (size_t i = 0; i < r->n_neurons; i++) {
        if (r->neurons[i].ablated <= -least && r->neurons[i].kind == TRIAL_AND_LIKE) {
            return "AND-like";
        }
    }
    for (size_t i = 0; i < r->n_neurons && !other; i++) {
        if (r->neurons[i].ablated <= -least && r->neurons[i].kind != TRIAL_NONE) {
            other = r->neurons[i].kind == TRIAL_A_ONLY ? "A-only" : "B-only";
        }
    }
    return other ? other : "spread";
}

/* Random trigrams of models with random weights and 3 contexts have interactions of any size, sure
 * or not. */
static void verdicts_are_what_the_numbers_say(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    size_t unsure = 0, sure = 0, negative = 0;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
        for (size_t k = 0; k < 30 && !m->config.attn_only; k++) {
            make_asked(&q, next_random(10), 10 + next_random(10), 20 + next_random(10), ASKED_FROM,
                       (uint32_t)m->config.d_vocab, ASKED_LONGEST);
            q.trigram.n_contexts = 3;
            trial_run(w.trials, w.ctx, &q.trigram, &r, NULL);
            assert_string_equal(trial_verdict_name(&r), plain_verdict(&r));
            negative += r.verdict == TRIAL_NEGATIVE;
            if (r.table.interaction >= 0.5) {
                sure += r.verdict != TRIAL_NO_INTERACTION;
                unsure += r.verdict == TRIAL_NO_INTERACTION;
            }
        }
        trial_stop(&w);
        model_free(m);
    }
    assert_true(sure > 0 && unsure > 0 && negative > 0);
    printf("%zu interactions are sure, %zu are not, %zu are negative\n", sure, unsure, negative);
}

// --- what a trigram may bring -------------------------------------------------------------------

/* Makes the AND neuron's trigram, whose lists a test then changes. */
static void make_first(struct asked *q)
{
    const struct planted_trigram *t = &trigrams[0];
    make_asked(q, t->a, t->b, t->c, ASKED_FROM, 300, PLANTED_N_CTX - 1);
}

static void assert_not_tested(struct trial_at_work *w, const struct asked *q)
{
    struct trial_result r;
    trial_run(w->trials, w->ctx, &q->trigram, &r, NULL);
    assert_int_equal(r.contexts, 0);
    assert_int_equal(r.pairs, 0);
    assert_int_equal(r.n_neurons, 0);
    assert_true(r.named == SIZE_MAX);
    assert_string_equal(trial_verdict_name(&r), "not tested");
}

static void without_contexts_or_fillers_nothing_is_tested(void **state)
{
    (void)state;
    static struct asked q;
    struct model *m = planted_model(false);
    struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
    make_first(&q);
    q.trigram.n_contexts = 0;
    assert_not_tested(&w, &q);
    make_first(&q);
    q.trigram.n_fillers_a = 0;
    assert_not_tested(&w, &q);
    make_first(&q);
    q.fillers[1][0] = q.trigram.a;
    q.fillers[1][1] = q.trigram.c;
    q.trigram.n_fillers_b = 2; // neither may be a filler
    assert_not_tested(&w, &q);
    make_first(&q);
    q.fillers[1][0] = q.fillers[0][0];
    q.trigram.n_fillers_a = q.trigram.n_fillers_b = 1; // the only pair is one token twice
    assert_not_tested(&w, &q);
    trial_stop(&w);
    struct model small = *m;
    small.config.n_ctx = 2;
    w = trial_start(&small, kern_best(), SITE_POST);
    make_first(&q);
    assert_not_tested(&w, &q);
    trial_stop(&w);
    model_free(m);
}

static void one_context_has_no_standard_error(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    struct model *m = planted_model(false);
    struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
    make_first(&q);
    q.trigram.n_contexts = 1; // of two tokens: nothing but BOS is before A
    q.trigram.n_elsewhere = 0;
    assert_int_equal(q.contexts[0].n, 2);
    trial_run(w.trials, w.ctx, &q.trigram, &r, NULL);
    assert_int_equal(r.contexts, 1);
    assert_int_equal(r.pairs, TRIAL_FILLERS);
    assert_true(isnan(r.table.se) && r.table.interaction > 8);
    assert_string_equal(trial_verdict_name(&r), "too few places");
    assert_true(r.named == SIZE_MAX);
    assert_int_equal(r.neurons[0].index, planted_neuron(&planted, 0));
    assert_string_equal(trial_kind_name(r.neurons[0].kind), "unknown");
    assert_true(isnan(r.neurons[0].pairs.se) && isnan(r.neurons[0].ablated_se));
    assert_true(isnan(r.neurons[0].elsewhere) && r.neurons[0].ablated < -7);
    for (size_t n = 2; n <= 3; n++) { // three are enough
        make_first(&q);
        q.trigram.n_contexts = n;
        trial_run(w.trials, w.ctx, &q.trigram, &r, NULL);
        assert_string_equal(trial_verdict_name(&r), n < 3 ? "too few places" : "AND-like");
    }
    trial_stop(&w);
    model_free(m);
}

/* Checks that both are the same number or both NaN. */
static void assert_equal(double x, double y)
{
    assert_true(x == y || (isnan(x) && isnan(y)));
}

static void assert_same_table(const struct trial_table *x, const struct trial_table *y)
{
    for (size_t k = 0; k < TRIAL_CELLS; k++) {
        assert_equal(x->cells[k], y->cells[k]);
    }
    assert_equal(x->interaction, y->interaction);
    assert_equal(x->se, y->se);
}

static void assert_same(const struct trial_result *x, const struct trial_result *y)
{
    assert_int_equal(x->contexts, y->contexts);
    assert_int_equal(x->pairs, y->pairs);
    assert_int_equal(x->verdict, y->verdict);
    assert_true(x->named == y->named);
    assert_int_equal(x->n_half, y->n_half);
    assert_same_table(&x->table, &y->table);
    assert_int_equal(x->n_neurons, y->n_neurons);
    for (size_t i = 0; i < x->n_neurons; i++) {
        const struct trial_neuron *a = &x->neurons[i], *b = &y->neurons[i];
        assert_true(a->layer == b->layer && a->index == b->index && a->kind == b->kind);
        assert_same_table(&a->pairs, &b->pairs);
        assert_equal(a->direct, b->direct);
        assert_equal(a->written, b->written);
        assert_equal(a->share, b->share);
        assert_equal(a->ablated, b->ablated);
        assert_equal(a->ablated_se, b->ablated_se);
        assert_equal(a->elsewhere, b->elsewhere);
    }
}

static void fillers_that_may_not_stand_in_are_left_out(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result clean, r;
    struct model *m = planted_model(false);
    struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
    make_first(&q);
    const struct trial_trigram *g = &q.trigram;
    q.trigram.n_fillers_a = q.trigram.n_fillers_b = 3;
    trial_run(w.trials, w.ctx, g, &clean, NULL);
    assert_int_equal(clean.pairs, 3 * TRIAL_CONTEXTS); // as many as the longer list has
    const uint32_t *fa = q.fillers[0], *fb = q.fillers[1];
    const uint32_t as[] = {g->a, fa[0], fa[1], fa[0], g->c, fa[2], g->b, fa[1]};
    const uint32_t bs[] = {fb[0], g->b, fb[1], fb[1], fb[2], g->c, g->a};
    q.trigram.fillers_a = as;
    q.trigram.n_fillers_a = 8;
    q.trigram.fillers_b = bs;
    q.trigram.n_fillers_b = 7;
    trial_run(w.trials, w.ctx, g, &r, NULL);
    assert_same(&r, &clean);
    // a token is in both lists: the second list's next one is taken
    const uint32_t x[] = {40, 41}, y[] = {40, 42}, z[] = {42, 40};
    q.trigram.fillers_a = x;
    q.trigram.n_fillers_a = q.trigram.n_fillers_b = 2;
    q.trigram.fillers_b = y;
    q.trigram.n_contexts = 1;
    trial_run(w.trials, w.ctx, g, &r, NULL); // 40 42, 41 42
    assert_int_equal(r.pairs, 2);
    q.trigram.fillers_b = z;
    q.trigram.n_fillers_b = 1;
    trial_run(w.trials, w.ctx, g, &clean, NULL); // 40 42, 41 42
    assert_same(&r, &clean);
    q.trigram.fillers_b = x;
    trial_run(w.trials, w.ctx, g, &r, NULL); // 41 40 alone
    assert_int_equal(r.pairs, 1);
    trial_stop(&w);
    model_free(m);
}

static void long_contexts_lose_their_front(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result whole, r;
    struct model *m = planted_model(false);
    struct model small = *m;
    small.config.n_ctx = 9;
    struct trial_at_work w = trial_start(&small, kern_best(), SITE_POST);
    make_first(&q);
    trial_run(w.trials, w.ctx, &q.trigram, &whole, NULL);
    for (size_t k = 0; k < ASKED_PLACES; k++) {
        if (q.contexts[k].n > 8) {
            q.contexts[k].ids += q.contexts[k].n - 8;
            q.contexts[k].n = 8;
        }
    }
    trial_run(w.trials, w.ctx, &q.trigram, &r, NULL);
    assert_same(&r, &whole);
    assert_string_equal(trial_verdict_name(&r), "AND-like");
    trial_stop(&w);
    model_free(m);
}

static void a_trial_depends_on_its_trigram_alone(void **state)
{
    (void)state;
    static struct asked q, other;
    struct trial_result first, between, again;
    atomic_int stopped = 1;
    struct model *m = golden_model("gelu-2l");
    struct trial_at_work w = trial_start(m, kern_best(), SITE_POST);
    make_asked(&q, 1, 2, 3, ASKED_FROM, (uint32_t)m->config.d_vocab, ASKED_LONGEST);
    make_asked(&other, 4, 5, 6, ASKED_FROM, (uint32_t)m->config.d_vocab, ASKED_LONGEST);
    trial_run(w.trials, w.ctx, &q.trigram, &first, NULL);
    trial_run(w.trials, w.ctx, &other.trigram, &between, NULL);
    trial_run(w.trials, w.ctx, &q.trigram, &between, &stopped);
    trial_run(w.trials, w.ctx, &q.trigram, &again, NULL);
    assert_same(&again, &first);
    trial_stop(&w);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_planted_is_found),
        cmocka_unit_test(an_and_neuron_is_as_it_was_planted),
        cmocka_unit_test(many_neurons_share_evenly),
        cmocka_unit_test(verdicts_are_what_the_numbers_say),
        cmocka_unit_test(without_contexts_or_fillers_nothing_is_tested),
        cmocka_unit_test(one_context_has_no_standard_error),
        cmocka_unit_test(fillers_that_may_not_stand_in_are_left_out),
        cmocka_unit_test(long_contexts_lose_their_front),
        cmocka_unit_test(a_trial_depends_on_its_trigram_alone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
