/*
 * The engine, with every table of kernels that this CPU can run, against TransformerLens in
 * float64, against the reference pass, and against itself: a token's log-prob depends on its window
 * alone.
 */
#include "tests/kit/engine_kit.h"

#include <math.h>

#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/bench/synthetic.h"
#include "tests/kit/random.h"

// --- TransformerLens ----------------------------------------------------------------------------

static double check_golden(const struct model *m, const struct kern *k, enum precision precision)
{
    char path[256];
    snprintf(path, sizeof path, "tests/golden/models/%s/golden.json", m->name);
    struct json_object *golden = golden_json(path);
    struct json_object *documents = json_member(golden, "documents");
    struct engine_at_work w = engine_start(m, k, precision);
    double most = 0;
    for (size_t d = 0; d < json_object_array_length(documents); d++) {
        struct json_object *doc = json_object_array_get_idx(documents, d);
        struct json_object *list = json_member(doc, "ids"), *logprob = json_member(doc, "logprob");
        const size_t n = json_object_array_length(list);
        uint32_t ids[96];
        double got[96];
        assert_true(n >= 2 && n <= 96);
        for (size_t i = 0; i < n; i++) {
            ids[i] = (uint32_t)golden_number(list, i);
        }
        const struct engine_window window = {
            .first = ids[0], .tokens = ids + 1, .n = n - 1, .logprob = got};
        engine_score(w.ctx, &window, 1, NULL);
        for (size_t i = 0; i + 1 < n; i++) {
            const double error = fabs(got[i] - golden_number(logprob, i));
            most = error > most ? error : most;
        }
    }
    engine_stop(&w);
    json_object_put(golden);
    return most;
}

static void log_probs_are_those_of_transformer_lens(void **state)
{
    (void)state;
    for (size_t t = 0; kern_at(t); t++) {
        if (!kern_runs(kern_at(t))) {
            printf("%s: not on this CPU\n", kern_at(t)->name);
            continue;
        }
        double most = 0;
        for (size_t i = 0; i < GOLDEN_NAMES; i++) {
            struct model *m = golden_model(golden_names[i]);
            const double error = check_golden(m, kern_at(t), PRECISION_EXACT);
            if (!(error < ENGINE_MAX_NATS)) {
                fail_msg("%s, %s: off by %g nats", kern_at(t)->name, golden_names[i], error);
            }
            most = error > most ? error : most;
            model_free(m);
        }
        printf("%s: largest error %.1e nats\n", kern_at(t)->name, most);
    }
}

// --- the reference ------------------------------------------------------------------------------

#define WINDOWS 9
#define LONGEST 256

struct windows {
    struct engine_window items[WINDOWS];
    uint32_t tokens[WINDOWS][LONGEST];
    double logprob[WINDOWS][LONGEST];
};

static void make_windows(struct windows *w, const struct model *m)
{
    const size_t sizes[WINDOWS] = {1, 2, 3, 13, 14, 15, 64, 129, LONGEST};
    for (size_t k = 0; k < WINDOWS; k++) {
        const size_t n = sizes[k] < m->config.n_ctx ? sizes[k] : m->config.n_ctx;
        for (size_t i = 0; i < n; i++) {
            w->tokens[k][i] = next_random((uint32_t)m->config.d_vocab);
        }
        w->tokens[k][0] = k % 2 ? 0 : (uint32_t)m->config.d_vocab - 1; // both ends
        w->items[k] = (struct engine_window){.first = next_random((uint32_t)m->config.d_vocab),
                                             .tokens = w->tokens[k],
                                             .n = n,
                                             .logprob = w->logprob[k]};
    }
}

/* The largest difference between the windows' log-probs and the reference, relative to
 * 1 + |logprob|. */
static double compare(const struct windows *w, const struct model *m)
{
    struct forward *f;
    float *logits = malloc(m->config.d_vocab * sizeof *logits);
    double most = 0;
    assert_int_equal(forward_new(&f, m, NULL), 0);
    for (size_t k = 0; k < WINDOWS; k++) {
        const struct engine_window *one = &w->items[k];
        const size_t step = one->n > 64 ? 7 : 1; // checks only some tokens of a long window
        uint32_t ids[LONGEST];
        ids[0] = one->first;
        memcpy(ids + 1, one->tokens, (one->n - 1) * sizeof *ids);
        forward_run(f, ids, one->n, NULL);
        for (size_t i = one->n - 1; i < one->n; i -= step) {
            forward_logits(f, i, 1, logits);
            const double logprob =
                (double)logits[one->tokens[i]] - logprob_log_sum_exp(logits, m->config.d_vocab);
            const double d = fabs(one->logprob[i] - logprob) / (1 + fabs(logprob));
            assert_false(isnan(d));
            most = d > most ? d : most;
        }
    }
    forward_free(f);
    free(logits);
    return most;
}

static const char *const demo[] = {"attn-only-1l", "attn-only-2l", "gelu-1l", "solu-1l"};

static void windows_of_any_length_are_as_the_reference(void **state)
{
    (void)state;
    static struct windows w;
    for (size_t d = 0; d < 4; d++) {
        struct model *m = demo_model(demo[d]);
        make_windows(&w, m);
        for (size_t t = 0; kern_at(t); t++) {
            if (kern_runs(kern_at(t))) {
                struct engine_at_work a = engine_start(m, kern_at(t), PRECISION_EXACT);
                engine_score(a.ctx, w.items, WINDOWS, NULL);
                assert_true(compare(&w, m) < ENGINE_MAX_NATS);
                engine_stop(&a);
            }
        }
        model_free(m);
    }
}

static void check_alone(const struct model *m, const struct kern *k, enum precision precision)
{
    static struct windows w;
    static double together[WINDOWS][LONGEST];
    make_windows(&w, m);
    struct engine_at_work a = engine_start(m, k, precision);
    engine_score(a.ctx, w.items, WINDOWS, NULL);
    memcpy(together, w.logprob, sizeof together);
    for (size_t i = WINDOWS; i-- > 0;) { // one by one, in another order
        engine_score(a.ctx, &w.items[i], 1, NULL);
        assert_memory_equal(w.logprob[i], together[i], w.items[i].n * sizeof(double));
    }
    // The beginning of a window is a window and gives the same.
    struct engine_window shorter = w.items[8];
    shorter.n = 100;
    engine_score(a.ctx, &shorter, 1, NULL);
    assert_memory_equal(w.logprob[8], together[8], 100 * sizeof(double));
    engine_stop(&a);
}

static void a_token_depends_on_its_window_alone(void **state)
{
    (void)state;
    for (size_t d = 0; d < 4; d++) {
        struct model *m = demo_model(demo[d]);
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && engine_is_tried(kern_at(t)); p++) {
                check_alone(m, kern_at(t), (enum precision)p);
            }
        }
        model_free(m);
    }
}

// --- the other precisions -----------------------------------------------------------------------

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_promise(const char *name, const struct model *m, const struct kern *k,
                          enum precision precision)
{
    static struct windows w;
    static double off[WINDOWS * LONGEST], exact[WINDOWS][LONGEST];
    make_windows(&w, m);
    struct engine_at_work a = engine_start(m, k, precision);
    engine_score_exact(a.ctx, w.items, WINDOWS, NULL);
    memcpy(exact, w.logprob, sizeof exact);
    engine_score(a.ctx, w.items, WINDOWS, NULL);
    size_t n = 0;
    double sum = 0;
    for (size_t i = 0; i < WINDOWS; i++) {
        for (size_t j = 0; j < w.items[i].n; j++) {
            off[n] = fabs(w.logprob[i][j] - exact[i][j]);
            sum += off[n++];
        }
    }
    qsort(off, n, sizeof *off, by_value);
    const double mean = sum / (double)n, p99 = off[n * 99 / 100], most = off[n - 1];
    if (!(mean <= engine_promises[precision].mean && p99 <= engine_promises[precision].p99 &&
          most <= engine_promises[precision].most)) {
        fail_msg("%s, %s, precision %d: off by %g in the mean, %g, %g at most", name, k->name,
                 precision, mean, p99, most);
    }
    // Exact values are those of an exact engine, bit for bit.
    struct engine_at_work b = engine_start(m, k, PRECISION_EXACT);
    engine_score(b.ctx, w.items, WINDOWS, NULL);
    assert_memory_equal(w.logprob, exact, sizeof exact);
    engine_stop(&a);
    engine_stop(&b);
}

static void precisions_keep_their_promises(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_NAMES + 4; i++) {
        const bool golden = i >= 4;
        const char *name = golden ? golden_names[i - 4] : demo[i];
        struct model *m = golden ? golden_model(name) : demo_model(name);
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && engine_is_tried(kern_at(t)); p++) {
                check_promise(name, m, kern_at(t), (enum precision)p);
            }
        }
        model_free(m);
    }
}

/* The hub's sizes: a width that rotates in one block, or in two; and outlier features. */
static void also_at_the_sizes_of_the_hub(void **state)
{
    (void)state;
    const struct {
        const char *name;
        size_t d_model;
        bool outliers;
    } kinds[] = {{"512", 512, false}, {"512 with outliers", 512, true}, {"736", 736, false}};
    for (size_t i = 0; i < (ENGINE_SLOW ? 1 : 3); i++) {
        struct model *m = synthetic_model(1, kinds[i].d_model, kinds[i].d_model / 32, 256, 2003,
                                          256, false, ACT_GELU, kinds[i].outliers);
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && engine_is_tried(kern_at(t)); p++) {
                check_promise(kinds[i].name, m, kern_at(t), (enum precision)p);
            }
        }
        synthetic_free(m);
    }
}

// --- picks --------------------------------------------------------------------------------------

struct seen {
    const struct windows *windows;
    const struct engine_pick *picks;
    size_t n, d_vocab;
    double most;
};

static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct seen *seen = context;
    assert_int_equal(k, seen->n);
    assert_in_range(n, 1, ENGINE_SIGHTS);
    for (size_t i = 0; i < n; i++) {
        const struct engine_pick *p = &seen->picks[seen->n++];
        const float *logits = sights[i].logits;
        const double logprob =
            (double)logits[p->window->tokens[p->at]] - logprob_log_sum_exp(logits, seen->d_vocab);
        const double d = fabs(logprob - p->window->logprob[p->at]);
        seen->most = d > seen->most ? d : seen->most;
    }
}

static void logits_are_those_of_the_log_probs(void **state)
{
    (void)state;
    static struct windows w;
    struct model *m = demo_model("gelu-1l");
    make_windows(&w, m);
    struct engine_pick picks[60];
    size_t n = 0;
    for (size_t i = 0; i < 40; i++) { // more than a tile of one window
        picks[n++] = (struct engine_pick){.window = &w.items[8], .at = (i * 97) % w.items[8].n};
    }
    for (size_t k = 0; k < 8; k++) {
        picks[n++] = (struct engine_pick){.window = &w.items[k], .at = w.items[k].n - 1};
    }
    for (size_t t = 0; kern_at(t); t++) {
        if (kern_runs(kern_at(t))) {
            struct engine_at_work a = engine_start(m, kern_at(t), PRECISION_FAST);
            struct seen seen = {.windows = &w, .picks = picks, .d_vocab = m->config.d_vocab};
            double exact[60];
            engine_pick_exact(a.ctx, picks, n, exact, NULL);
            engine_score_exact(a.ctx, w.items, WINDOWS, NULL);
            for (size_t k = 0; k < n; k++) {
                assert_true(exact[k] == picks[k].window->logprob[picks[k].at]);
            }
            engine_look(a.ctx, picks, n, see, &seen, NULL);
            assert_int_equal(seen.n, n);
            assert_true(seen.most < 2e-6);
            engine_stop(&a);
        }
    }
    model_free(m);
}

/* One token far above or below all others, in the first panel or not. */
static void far_logits_are_right_too(void **state)
{
    (void)state;
    static struct windows w;
    struct model *m = demo_model("attn-only-1l");
    float *b_U = m->block + (m->b_U - m->block);
    make_windows(&w, m);
    const uint32_t places[] = {5, 4095};
    const float sizes[] = {60, 1000, -1000};
    for (size_t p = 0; p < 2; p++) {
        for (size_t s = 0; s < 3; s++) {
            const float before = b_U[places[p]];
            b_U[places[p]] = sizes[s];
            for (size_t t = 0; kern_at(t); t++) {
                for (int q = 0; q < 3 && engine_is_tried(kern_at(t)); q++) {
                    struct engine_at_work a = engine_start(m, kern_at(t), (enum precision)q);
                    engine_score(a.ctx, w.items, WINDOWS, NULL);
                    assert_true(compare(&w, m) < engine_promises[q].most);
                    engine_stop(&a);
                }
            }
            b_U[places[p]] = before;
        }
    }
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probs_are_those_of_transformer_lens),
        cmocka_unit_test(windows_of_any_length_are_as_the_reference),
        cmocka_unit_test(a_token_depends_on_its_window_alone),
        cmocka_unit_test(precisions_keep_their_promises),
        cmocka_unit_test(also_at_the_sizes_of_the_hub),
        cmocka_unit_test(logits_are_those_of_the_log_probs),
        cmocka_unit_test(far_logits_are_right_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
