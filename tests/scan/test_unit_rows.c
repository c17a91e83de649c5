/*
 * What a collector announced that it may ask is at hand once the unit is scored: no window is run
 * again for it, and the answers are the same bits as without the announcement
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scan/work/unit_scores_internal.h"
#include "tests/bench/synthetic.h"

enum { D_VOCAB = 700, N_CTX = 256, N_TOKENS = 3000, MODELS = 2, STEP = 7 };

// --- a unit of random ids -----------------------------------------------------------------------

/* Windows of several lengths, so that blocks hold one, two and more of them. */
static struct layout random_layout(void)
{
    static const size_t lengths[] = {255, 40, 1, 255, 255, 130, 7};
    struct layout l = {.n = N_TOKENS};
    l.ids = malloc(N_TOKENS * sizeof *l.ids);
    l.windows = malloc(N_TOKENS * sizeof *l.windows);
    assert_true(l.ids && l.windows);
    for (size_t i = 0; i < N_TOKENS; i++) {
        l.ids[i] = synthetic_random() % D_VOCAB;
    }
    for (size_t at = 0; at < N_TOKENS; at += l.windows[l.n_windows - 1].n) {
        const size_t n = lengths[l.n_windows % (sizeof lengths / sizeof *lengths)];
        l.windows[l.n_windows++] = (struct layout_window){
            .first = 1, .begin = at, .n = n < N_TOKENS - at ? n : N_TOKENS - at};
    }
    return l;
}

// --- collectors that ask ------------------------------------------------------------------------

/* Every STEP'th token of the block, of all models once the last has scored it; which blocks there
 * were. */
static int announce(void *part, const struct unit_block *block, const double *const *logprob,
                    double epsilon, size_t model, struct unit_questions *q, struct err *err)
{
    size_t *next = part;
    assert_true(epsilon == 0.5);
    if (model == 0) {
        assert_int_equal(block->begin, *next);
        *next = block->end;
    }
    assert_int_equal(block->end, *next);
    for (size_t t = block->begin; t < block->end; t++) {
        for (size_t m = 0; m <= model; m++) {
            assert_true(logprob[m][t] < 0); // it has scored it
        }
        for (size_t m = 0; m < MODELS && model + 1 == MODELS && t % STEP == 0; m++) {
            assert_int_equal(
                mem_reserve(&q->items, &q->cap, q->n + 1, sizeof *q->items, "tokens", err), 0);
            q->items[q->n++] = (struct unit_question){.token = t, .model = m};
        }
    }
    return 0;
}

/* Makes layers f32 in any precision. */
static void watch_rows(const void *shape, const struct run *run, size_t model,
                       struct collector_needs *out)
{
    (void)shape;
    (void)run;
    (void)model;
    out->keep = ROW_BIT(ROW_Z);
}

static void may_ask(const void *shape, const struct run *run, size_t model,
                    struct collector_needs *out)
{
    (void)shape;
    (void)run;
    (void)model;
    out->may_ask = true;
}

static const struct collector_kind announces = {
    .name = "announces", .needs = may_ask, .may_ask = announce};
static const struct collector_kind silent = {.name = "silent"};
static const struct collector_kind watches = {.name = "watches", .needs = watch_rows};

struct at_work {
    struct collector kinds[2];
    struct unit_collector collectors[2];
    size_t next; // announce()'s
    struct unit_scores *scores;
};

static void work(struct at_work *w, const struct predictor *predictors, const struct layout *l,
                 const struct collector_kind *kind, bool watched)
{
    static const struct run run = {.n_models = MODELS};
    const struct unit_tokens unit = {.n = l->n, .ids = l->ids};
    *w = (struct at_work){.kinds = {{.kind = kind}, {.kind = &watches}}};
    w->collectors[0] = (struct unit_collector){.collector = &w->kinds[0], .part = &w->next};
    w->collectors[1] = (struct unit_collector){.collector = &w->kinds[1]};
    assert_int_equal(unit_scores_new(&w->scores, predictors, MODELS, &run, w->collectors,
                                     watched ? 2 : 1, 0.5, NULL, NULL),
                     0);
    assert_int_equal(unit_scores_make(w->scores, l, &unit, NULL), 0);
    assert_int_equal(w->next, kind == &announces ? l->n : 0);
}

// --- the test -----------------------------------------------------------------------------------

static void expect_same_views(const struct token_view *a, const struct token_view *b)
{
    assert_true(a->looks && b->looks);
    assert_int_equal(a->rank, b->rank);
    assert_true(a->entropy == b->entropy && a->logit == b->logit);
    assert_memory_equal(a->top, b->top, sizeof a->top);
    assert_memory_equal(a->logprob, b->logprob, sizeof a->logprob);
    assert_int_equal(a->n_components, b->n_components);
    assert_memory_equal(a->components, b->components, a->n_components * sizeof *a->components);
    assert_int_equal(a->n_neurons, b->n_neurons);
    for (size_t i = 0; i < a->n_neurons; i++) {
        assert_int_equal(a->neurons[i].index, b->neurons[i].index);
        assert_true(a->neurons[i].effect == b->neurons[i].effect);
    }
}

/* Asks both about tokens[n]; made: how many of their rows 'a' had not kept. */
static void expect_same_answers(struct at_work *a, struct at_work *b, size_t m,
                                const size_t *tokens, size_t n, size_t made)
{
    const struct unit_models *x = unit_scores_models(a->scores), *y = unit_scores_models(b->scores);
    double exact[2][N_TOKENS];
    static struct token_view views[2][N_TOKENS];
    const size_t before = a->scores->scorers[m].rows.n;
    assert_int_equal(x->exact(x->context, m, tokens, n, exact[0], NULL), 0);
    assert_int_equal(y->exact(y->context, m, tokens, n, exact[1], NULL), 0);
    assert_memory_equal(exact[0], exact[1], n * sizeof **exact);
    assert_int_equal(a->scores->scorers[m].rows.n, before + made);
    assert_int_equal(x->look(x->context, m, tokens, n, views[0], NULL), 0);
    assert_int_equal(y->look(y->context, m, tokens, n, views[1], NULL), 0);
    assert_int_equal(a->scores->scorers[m].rows.n, before + made); // what exact() made is kept
    for (size_t i = 0; i < n; i++) {
        expect_same_views(&views[0][i], &views[1][i]);
    }
}

static size_t every(size_t *tokens, size_t step)
{
    size_t n = 0;
    for (size_t t = 0; t < N_TOKENS; t += step) {
        tokens[n++] = t;
    }
    return n;
}

static void check(const struct model *const *models, enum precision precision, bool watched)
{
    struct predictor predictors[MODELS] = {0};
    struct lineup_model lineup[MODELS] = {0};
    struct layout l = random_layout();
    struct at_work a, b;
    size_t tokens[N_TOKENS];
    for (size_t m = 0; m < MODELS; m++) {
        lineup[m] = (struct lineup_model){.config = &models[m]->config,
                                          .weights = (struct model *)(uintptr_t)models[m]};
        predictors[m].model = &lineup[m];
        assert_int_equal(engine_new(&predictors[m].engine, models[m], kern_best(), precision, NULL),
                         0);
    }
    work(&a, predictors, &l, &announces, watched);
    work(&b, predictors, &l, &silent, watched);
    const bool f32 = watched || precision != PRECISION_FAST || !kern_best()->s16;
    for (size_t m = 0; m < MODELS; m++) {
        const size_t n = every(tokens, STEP);
        assert_int_equal(a.scores->scorers[m].rows.n, f32 ? n : 0);
        assert_int_equal(b.scores->scorers[m].rows.n, 0);
        expect_same_answers(&a, &b, m, tokens, n, f32 ? 0 : n);
        // some announced, most not
        const size_t more = every(tokens, 5), both = (N_TOKENS + 5 * STEP - 1) / (5 * STEP);
        expect_same_answers(&a, &b, m, tokens, more, more - both);
    }
    // The next unit begins with none.
    const struct unit_tokens unit = {.n = l.n, .ids = l.ids};
    a.next = 0;
    assert_int_equal(unit_scores_make(a.scores, &l, &unit, NULL), 0);
    assert_int_equal(a.scores->scorers[0].rows.n, f32 ? every(tokens, STEP) : 0);
    unit_scores_free(a.scores);
    unit_scores_free(b.scores);
    for (size_t m = 0; m < MODELS; m++) {
        engine_free(predictors[m].engine);
    }
    free(l.ids);
    free(l.windows);
}

static void answers_are_the_same_whatever_was_announced(void **state)
{
    (void)state;
    struct model *own[MODELS] = {
        synthetic_model(2, 64, 2, 128, D_VOCAB, N_CTX, true, ACT_GELU, false),
        synthetic_model(1, 64, 2, 200, D_VOCAB, N_CTX, false, ACT_GELU, false)};
    const struct model *const models[MODELS] = {own[0], own[1]};
    for (int p = 0; p < 3; p++) {
        check(models, (enum precision)p, false);
    }
    check(models, PRECISION_FAST, true);
    synthetic_free(own[0]);
    synthetic_free(own[1]);
}

/* More tokens than there is room for: they are answered, without rows. */
static void more_than_there_is_room_for_is_answered(void **state)
{
    (void)state;
    // a row of 4 layers of 8192 neurons has 132 KB, so that 32 MB hold fewer than 260
    struct model *m = synthetic_model(4, 32, 2, 8192, D_VOCAB, N_CTX, false, ACT_GELU, false);
    struct lineup_model lineup = {.config = &m->config, .weights = m};
    struct predictor predictors[MODELS] = {{.model = &lineup}, {.model = &lineup}};
    struct layout l = random_layout();
    struct at_work a, b;
    size_t tokens[N_TOKENS];
    l.n_windows = 4; // 551 tokens
    l.n = l.windows[3].begin + l.windows[3].n;
    assert_int_equal(engine_new(&predictors[0].engine, m, kern_best(), PRECISION_DEFAULT, NULL), 0);
    predictors[1].engine = predictors[0].engine;
    work(&a, predictors, &l, &announces, false);
    work(&b, predictors, &l, &silent, false);
    size_t n = 0;
    for (; n < 300; n++) {
        tokens[n] = n;
    }
    expect_same_answers(&a, &b, 0, tokens, n, 0);
    unit_scores_free(a.scores);
    unit_scores_free(b.scores);
    engine_free(predictors[0].engine);
    free(l.ids);
    free(l.windows);
    synthetic_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same_whatever_was_announced),
        cmocka_unit_test(more_than_there_is_room_for_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
