/*
 * The scores of heads against TransformerLens in float64, and what the sequences must be.
 */
#include "tests/kit/golden_circuits.h"

#include <math.h>
#include <pthread.h>

#include "model/explain/copying.h"
#include "model/explain/head_scores.h"
#include "model/pass/forward.h"

#define MOST 1e-5 // of a mean of attention; of the sums' own scale
#define HEADS ((size_t)64)

// --- TransformerLens ----------------------------------------------------------------------------

struct seen {
    struct head_scores heads[HEADS];
    size_t n_heads, T;
};

static void see(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    struct seen *s = context;
    assert_int_equal(n, 2 * s->T + 1);
    head_scores_add(&s->heads[layer * s->n_heads + head], pattern, s->T);
}

static double compare(struct json_object *sequence, const char *key, const char *head, double value)
{
    struct json_object *golden = json_member(json_member(sequence, key), head);
    assert_non_null(golden);
    const double error = fabs(value - json_object_get_double(golden));
    if (!(error <= MOST)) {
        fail_msg("%s of %s: %.8f, not %.8f", key, head, value, json_object_get_double(golden));
    }
    return error;
}

static void detection_scores_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    size_t compared = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS_FILES; i++) {
        struct golden_circuits g = golden_circuits_load(i);
        struct json_object *sequences =
            json_member(json_member(g.json, "head_detection"), "sequences");
        struct forward *f;
        assert_int_equal(forward_new(&f, g.model, NULL), 0);
        for (size_t s = 0; s < json_object_array_length(sequences); s++) {
            struct json_object *sequence = json_object_array_get_idx(sequences, s);
            if (strcmp(json_object_get_string(json_member(sequence, "kind")), "repeated") != 0) {
                continue;
            }
            struct seen seen = {.n_heads = g.model->config.n_heads};
            const struct forward_hooks hooks = {.context = &seen, .pattern = see};
            uint32_t ids[64];
            const size_t n = golden_ids(json_member(sequence, "ids"), ids, 64);
            seen.T = (size_t)json_object_get_int(json_member(sequence, "period"));
            forward_run(f, ids, n, &hooks);
            json_object_object_foreach(json_member(sequence, "induction"), head, value)
            {
                size_t l, h;
                (void)value;
                assert_int_equal(sscanf(head, "L%zuH%zu", &l, &h), 2);
                const struct head_scores *got = &seen.heads[l * seen.n_heads + h];
                most = fmax(most, compare(sequence, "previous_token", head, got->previous_token));
                most = fmax(most, compare(sequence, "duplicate_token", head, got->duplicate_token));
                most = fmax(most, compare(sequence, "induction", head, got->induction));
                compared++;
            }
        }
        forward_free(f);
        golden_circuits_end(&g);
    }
    assert_true(compared > 150);
    printf("%zu heads and sequences, largest error %.1e\n", compared, most);
}

static void eigenvalues_of_ov_circuits_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    size_t files = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS_FILES; i++) {
        struct golden_circuits g = golden_circuits_load(i);
        struct json_object *circuits = json_member(g.json, "circuits_1l");
        struct copying *c;
        assert_int_equal(copying_new(&c, g.model, NULL, NULL), 0);
        files += circuits != NULL;
        for (size_t h = 0; h < g.model->config.n_heads && circuits; h++) {
            char name[32];
            snprintf(name, sizeof name, "L0H%zu", h);
            struct json_object *head = json_member(json_member(circuits, "ov_eigenvalues"), name);
            for (int folded = 0; folded < 2; folded++) {
                struct json_object *golden = json_member(head, folded ? "folded" : "raw");
                const double re = json_object_get_double(json_member(golden, "sum_real"));
                const double sum = json_object_get_double(json_member(golden, "sum_abs"));
                struct copying_sums got;
                assert_int_equal(copying_of(c, 0, h, folded, &got, NULL), 0);
                const double error = fmax(fabs(got.re - re), fabs(got.abs - sum)) / sum;
                if (!(error <= MOST)) {
                    fail_msg("%s %s folded %d: %.7g of %.7g, not %.7g of %.7g", g.model->name, name,
                             folded, got.re, got.abs, re, sum);
                }
                most = fmax(most, error);
            }
        }
        copying_free(c);
        golden_circuits_end(&g);
    }
    assert_int_equal(files, 7);
    printf("%zu files, largest error %.1e\n", files, most);
}

// --- the sequences ------------------------------------------------------------------------------

/* A model of these sizes that is only asked for its sequences. */
static struct model shape(size_t d_vocab, size_t n_ctx)
{
    return (struct model){.config = {.d_vocab = d_vocab, .n_ctx = n_ctx}};
}

static void periods_fit_the_window_and_the_vocabulary(void **state)
{
    (void)state;
    bool left_out[60] = {0};
    const struct model sizes[] = {shape(60, 1000), shape(60, 101), shape(60, 100), shape(60, 3),
                                  shape(60, 2),    shape(60, 1),   shape(20, 101), shape(1, 101)};
    const size_t expected[] = {50, 50, 49, 1, 0, 0, 19, 0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(head_scores_period(&sizes[i], 0, NULL), expected[i]);
    }
    for (size_t i = 0; i < 40; i++) {
        left_out[i] = true;
    }
    assert_int_equal(head_scores_period(&sizes[0], 0, left_out), 20);
    assert_int_equal(head_scores_period(&sizes[0], 59, left_out), 19);
}

static void sequences_repeat_different_tokens_of_which_none_is_special(void **state)
{
    (void)state;
    enum { VOCAB = 200, NUMBERS = 2000, PERIOD = 50 };
    const struct model m = shape(VOCAB, 256);
    bool left_out[VOCAB] = {0};
    size_t drawn[VOCAB] = {0};
    left_out[0] = left_out[7] = left_out[VOCAB - 1] = true;
    for (size_t s = 0; s < NUMBERS; s++) {
        uint32_t ids[2 * PERIOD + 1], again[2 * PERIOD + 1];
        bool seen[VOCAB] = {0};
        assert_int_equal(head_scores_sequence(&m, 3, left_out, s, ids, NULL), 0);
        assert_int_equal(head_scores_sequence(&m, 3, left_out, s, again, NULL), 0);
        assert_memory_equal(ids, again, sizeof ids);
        assert_int_equal(ids[0], 3);
        assert_memory_equal(ids + 1, ids + 1 + PERIOD, PERIOD * sizeof *ids);
        for (size_t i = 1; i <= PERIOD; i++) {
            assert_true(ids[i] < VOCAB && !seen[ids[i]] && !left_out[ids[i]] && ids[i] != 3);
            seen[ids[i]] = true;
            drawn[ids[i]]++;
        }
    }
    // 196 tokens: each is drawn 510 times on average, with a standard deviation of 20
    for (size_t id = 0; id < VOCAB; id++) {
        assert_true(left_out[id] || id == 3 ? drawn[id] == 0 : drawn[id] > 400 && drawn[id] < 620);
    }
}

// --- whole models -------------------------------------------------------------------------------

struct job {
    const struct model *model;
    struct head_scores out[HEADS];
    int rc;
};

static void *work(void *context)
{
    struct job *job = context;
    job->rc = head_scores_make(job->model, 0, NULL, job->out, NULL, NULL);
    return NULL;
}

struct plain {
    double bos[HEADS], self[HEADS], previous[HEADS];
    size_t n_heads, queries;
};

static void sum_plainly(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    struct plain *p = context;
    const size_t at = layer * p->n_heads + head;
    for (size_t i = 1; i < n; i++) {
        p->bos[at] += (double)pattern[i * n];
        p->self[at] += (double)pattern[i * n + i];
        p->previous[at] += (double)pattern[i * n + i - 1];
        p->queries += at == 0;
    }
}

static void scores_are_means_over_the_sequences_and_the_same_in_any_thread(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(4); // gelu-2l: two layers, an MLP
    const struct config *c = &g.model->config;
    struct job jobs[2] = {{.model = g.model}, {.model = g.model}};
    struct plain plain = {.n_heads = c->n_heads};
    const struct forward_hooks hooks = {.context = &plain, .pattern = sum_plainly};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, &jobs[0]), 0);
    work(&jobs[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(jobs[0].rc == 0 && jobs[1].rc == 0);
    assert_memory_equal(jobs[0].out, jobs[1].out, sizeof jobs[0].out);
    struct forward *f;
    assert_int_equal(forward_new(&f, g.model, NULL), 0);
    for (size_t s = 0; s < HEAD_SCORES_SEQUENCES; s++) {
        uint32_t ids[2 * HEAD_SCORES_PERIOD + 1];
        assert_int_equal(head_scores_sequence(g.model, 0, NULL, s, ids, NULL), 0);
        forward_run(f, ids, 2 * head_scores_period(g.model, 0, NULL) + 1, &hooks);
    }
    for (size_t h = 0; h < c->n_layers * c->n_heads; h++) {
        const struct head_scores *got = &jobs[1].out[h];
        const double n = (double)plain.queries;
        assert_true(fabs(got->bos - plain.bos[h] / n) < 1e-12 && got->bos > 0);
        assert_true(fabs(got->self - plain.self[h] / n) < 1e-12 && got->self > 0);
        assert_true(fabs(got->previous_token - plain.previous[h] / n) < 1e-12);
        assert_true(fabs(got->copying) <= 1 && fabs(got->copying_raw) <= 1);
        assert_true(got->copying != got->copying_raw);
    }
    forward_free(f);
    golden_circuits_end(&g);
}

static void without_tokens_to_draw_only_copying_is_known(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(0);
    bool *left_out = calloc(g.model->config.d_vocab, sizeof *left_out);
    struct head_scores out[HEADS];
    assert_non_null(left_out);
    memset(left_out, 1, g.model->config.d_vocab);
    assert_int_equal(head_scores_make(g.model, 0, left_out, out, NULL, NULL), 0);
    assert_true(isnan(out[0].previous_token) && isnan(out[0].induction) && isnan(out[0].bos));
    assert_true(isfinite(out[0].copying));
    assert_string_equal(head_kind(0, &out[0]), "");
    free(left_out);
    golden_circuits_end(&g);
}

// --- what kind of head it is --------------------------------------------------------------------

static void kinds_follow_from_the_scores(void **state)
{
    (void)state;
    const struct {
        size_t layer;
        struct head_scores scores;
        const char *kind;
    } cases[] = {
        {1, {.copying = 1}, ""},
        {0, {.previous_token = 0.4}, "previous"},
        {0, {.previous_token = 0.3999}, ""},
        {0, {.duplicate_token = 0.41}, "duplicate"},
        {1, {.induction = 0.4}, "induction"},
        {0, {.induction = 0.9}, ""},
        {0, {.induction = 0.9, .previous_token = 0.5}, "previous"},
        {2, {.induction = 0.5, .previous_token = 0.5}, "previous+induction"},
        {2, {.induction = 0.5, .duplicate_token = 0.5}, "duplicate+induction"},
        {2, {.previous_token = 0.5, .duplicate_token = 0.5}, "previous+duplicate"},
        {2, {.5, .5, .5, .9, .9, 0, 0}, "previous+duplicate+induction"},
        {1, {.bos = 0.8}, "bos"},
        {1, {.bos = 0.8, .induction = 0.45}, "induction"},
        {1, {.self = 0.4}, "self"},
        {1, {.self = 0.41, .bos = 0.45}, "bos"},
        {1, {.self = 0.45, .bos = 0.41}, "self"},
        {1, {.self = 0.39, .bos = 0.39}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(head_kind(cases[i].layer, &cases[i].scores), cases[i].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detection_scores_are_those_of_transformer_lens),
        cmocka_unit_test(eigenvalues_of_ov_circuits_are_those_of_transformer_lens),
        cmocka_unit_test(periods_fit_the_window_and_the_vocabulary),
        cmocka_unit_test(sequences_repeat_different_tokens_of_which_none_is_special),
        cmocka_unit_test(scores_are_means_over_the_sequences_and_the_same_in_any_thread),
        cmocka_unit_test(without_tokens_to_draw_only_copying_is_known),
        cmocka_unit_test(kinds_follow_from_the_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
