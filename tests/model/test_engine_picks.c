/*
 * Rows of picks: kept while windows are scored or made by running them again, they are the same
 * bits, and so is all that is made of them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/synthetic.h"
#include "tests/kit/engine_kit.h"
#include "tests/kit/random.h"

#define WINDOWS 6
#define PICKS 40

struct windows {
    struct engine_window items[WINDOWS];
    uint32_t tokens[WINDOWS][256];
    double logprob[WINDOWS][256];
};

/* Together less than a block, each shorter than n_ctx. */
static void make_windows(struct windows *w, const struct model *m)
{
    const size_t lengths[WINDOWS] = {1, 3, 120, 50, 250, 2};
    for (size_t k = 0; k < WINDOWS; k++) {
        const size_t most = m->config.n_ctx - 1;
        w->items[k] = (struct engine_window){.first = (uint32_t)k,
                                             .tokens = w->tokens[k],
                                             .n = lengths[k] < most ? lengths[k] : most,
                                             .logprob = w->logprob[k]};
        for (size_t i = 0; i < w->items[k].n; i++) {
            w->tokens[k][i] = next_random((uint32_t)m->config.d_vocab);
        }
    }
}

/* Some of every window, its first and its last among them. */
static size_t make_picks(struct engine_pick *picks, const struct windows *w)
{
    size_t n = 0;
    for (size_t k = 0; k < WINDOWS; k++) {
        const size_t last = w->items[k].n - 1, step = last / 6 + 1;
        for (size_t i = 0; i < last; i += step) {
            picks[n++] = (struct engine_pick){.window = &w->items[k], .at = i};
        }
        picks[n++] = (struct engine_pick){.window = &w->items[k], .at = last};
    }
    assert_in_range(n, WINDOWS, PICKS);
    return n;
}

/* What engine_look() shows of picks, copied. */
struct looked {
    const struct config *config;
    float *logits, *resid, *z, *post; // [PICKS][...]
    size_t n;
};

static void looked_new(struct looked *l, const struct config *c)
{
    *l = (struct looked){.config = c};
    l->logits = calloc(PICKS * c->d_vocab, sizeof *l->logits);
    l->resid = calloc(PICKS * c->d_model, sizeof *l->resid);
    l->z = calloc(PICKS * c->n_layers * c->n_heads * c->d_head, sizeof *l->z);
    l->post = calloc(PICKS * c->n_layers * c->d_mlp + 1, sizeof *l->post);
    assert_true(l->logits && l->resid && l->z && l->post);
}

static void looked_end(struct looked *l)
{
    free(l->logits);
    free(l->resid);
    free(l->z);
    free(l->post);
}

static void look(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct looked *l = context;
    const struct config *c = l->config;
    const size_t z = c->n_layers * c->n_heads * c->d_head, post = c->n_layers * c->d_mlp;
    assert_int_equal(k, l->n);
    for (size_t i = 0; i < n; i++, l->n++) {
        memcpy(l->logits + l->n * c->d_vocab, sights[i].logits, c->d_vocab * sizeof(float));
        memcpy(l->resid + l->n * c->d_model, sights[i].resid, c->d_model * sizeof(float));
        memcpy(l->z + l->n * z, sights[i].z, z * sizeof(float));
        assert_int_equal(!sights[i].post, c->attn_only);
        if (sights[i].post) {
            memcpy(l->post + l->n * post, sights[i].post, post * sizeof(float));
        }
    }
}

static void expect_same_look(const struct looked *a, const struct looked *b)
{
    const struct config *c = a->config;
    const size_t z = c->n_layers * c->n_heads * c->d_head, post = c->n_layers * c->d_mlp;
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->logits, b->logits, a->n * c->d_vocab * sizeof(float));
    assert_memory_equal(a->resid, b->resid, a->n * c->d_model * sizeof(float));
    assert_memory_equal(a->z, b->z, a->n * z * sizeof(float));
    if (!c->attn_only) {
        assert_memory_equal(a->post, b->post, a->n * post * sizeof(float));
    }
}

/* rows[n] give the log-probs of an exact engine, and what engine_look() shows. */
static void expect_made_of_rows(const struct engine_at_work *a, struct windows *w,
                                const struct engine_pick *picks, size_t n, const float *const *rows)
{
    const struct config *c = &engine_model(a->engine)->config;
    struct looked looked, again;
    uint32_t ids[PICKS];
    double logprob[PICKS];
    looked_new(&looked, c);
    looked_new(&again, c);
    for (size_t i = 0; i < n; i++) {
        ids[i] = picks[i].window->tokens[picks[i].at];
    }
    engine_rows_exact(a->ctx, rows, ids, n, logprob, NULL);
    engine_rows_look(a->ctx, rows, n, look, &looked, NULL);
    engine_look(a->ctx, picks, n, look, &again, NULL);
    expect_same_look(&looked, &again);
    engine_score_exact(a->ctx, w->items, WINDOWS, NULL);
    for (size_t i = 0; i < n; i++) {
        assert_true(logprob[i] == picks[i].window->logprob[picks[i].at]);
    }
    looked_end(&looked);
    looked_end(&again);
}

static void see_nothing(void *context, size_t layer, enum row_site site,
                        const struct engine_window *windows, size_t n_windows, const float *rows)
{
    (void)layer;
    (void)site;
    (void)windows;
    (void)rows;
    *(size_t *)context += n_windows;
}

/* One model, table and precision; watched: a watch sees rows, so that layers are f32. */
static void check_rows(const struct model *m, const struct kern *kern, enum precision precision,
                       bool watched)
{
    static struct windows w;
    struct engine_pick picks[PICKS];
    const float *rows[PICKS];
    struct engine_at_work a = engine_start(m, kern, precision);
    const size_t size = engine_row_size(a.engine);
    float *made = malloc(PICKS * size * sizeof *made), *kept = malloc(PICKS * size * sizeof *kept);
    size_t n_seen = 0;
    const struct engine_watch watch = {
        .sites = ROW_BIT(ROW_Z), .rows = see_nothing, .context = &n_seen};
    make_windows(&w, m);
    const size_t n = make_picks(picks, &w);
    assert_true(made && kept);
    assert_false(engine_kept_row(a.ctx, &picks[0], kept)); // nothing was asked for
    engine_pick_rows(a.ctx, picks, n, made, NULL);

    assert_int_equal(engine_keep_rows(a.ctx, NULL), 0);
    assert_int_equal(engine_watch_sites(a.ctx, watch.sites, NULL), 0);
    if (watched) {
        engine_score_watched(a.ctx, w.items, WINDOWS, &watch, NULL);
        assert_true(n_seen >= WINDOWS);
    } else {
        engine_score(a.ctx, w.items, WINDOWS, NULL);
    }
    const bool f32 = watched || precision != PRECISION_FAST || !kern->s16;
    for (size_t i = 0; i < n; i++) {
        rows[i] = made + i * size;
        assert_int_equal(engine_kept_row(a.ctx, &picks[i], kept + i * size), f32);
        if (f32) {
            assert_memory_equal(kept + i * size, made + i * size, size * sizeof *kept);
        }
    }
    const struct engine_window other = w.items[0];
    assert_false(engine_kept_row(a.ctx, &(struct engine_pick){.window = &other}, kept));
    expect_made_of_rows(&a, &w, picks, n, rows);
    if (f32) { // they are gone as soon as something else is run
        engine_score(a.ctx, w.items, WINDOWS, NULL);
        engine_pick_rows(a.ctx, picks, 1, made, NULL);
        assert_false(engine_kept_row(a.ctx, &picks[0], kept));
    }
    free(made);
    free(kept);
    engine_stop(&a);
}

static void kept_rows_are_those_that_are_made_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        for (size_t t = 0; kern_at(t); t++) {
            if (engine_is_tried(kern_at(t))) {
                const bool whole = kern_at(t) == kern_best();
                for (int p = 0; p < 3 && (whole || p == 0); p++) {
                    check_rows(m, kern_at(t), (enum precision)p, false);
                    check_rows(m, kern_at(t), (enum precision)p, true);
                }
            }
        }
        model_free(m);
    }
}

/* Rows of the block that came last alone are kept. */
static void a_block_before_the_last_is_not_kept(void **state)
{
    (void)state;
    enum { N = 200, LONG = 9 }; // 9 windows of 200 tokens: two blocks
    static uint32_t tokens[N];
    static double logprob[LONG][N];
    struct engine_window windows[LONG];
    struct model *m = demo_model("attn-only-1l");
    struct engine_at_work a = engine_start(m, kern_best(), PRECISION_DEFAULT);
    float *row = malloc(engine_row_size(a.engine) * sizeof *row);
    assert_non_null(row);
    for (size_t k = 0; k < LONG; k++) {
        windows[k] = (struct engine_window){.tokens = tokens, .n = N, .logprob = logprob[k]};
    }
    assert_int_equal(engine_keep_rows(a.ctx, NULL), 0);
    engine_score(a.ctx, windows, LONG, NULL);
    assert_false(engine_kept_row(a.ctx, &(struct engine_pick){.window = &windows[0]}, row));
    assert_true(engine_kept_row(a.ctx, &(struct engine_pick){.window = &windows[LONG - 1]}, row));
    free(row);
    engine_stop(&a);
    model_free(m);
}

/* Heads whose columns do not fill panels of the kernels; picks in any order, some twice. */
static void picks_of_odd_widths_in_any_order(void **state)
{
    (void)state;
    static struct windows w;
    struct model *m = synthetic_model(2, 60, 5, 100, 301, 256, true, ACT_GELU, false);
    make_windows(&w, m);
    struct engine_pick picks[PICKS];
    for (size_t i = 0; i < PICKS; i++) {
        picks[i] = (struct engine_pick){.window = &w.items[4], .at = (i * 97) % 61};
    }
    for (size_t t = 0; kern_at(t); t++) {
        if (kern_runs(kern_at(t))) {
            struct engine_at_work a = engine_start(m, kern_at(t), PRECISION_EXACT);
            double exact[PICKS];
            engine_score(a.ctx, w.items, WINDOWS, NULL);
            engine_pick_exact(a.ctx, picks, PICKS, exact, NULL);
            for (size_t i = 0; i < PICKS; i++) {
                assert_true(exact[i] == w.logprob[4][picks[i].at]);
            }
            engine_stop(&a);
        }
    }
    synthetic_free(m);
}

/* Rows that were seen, one call's behind another's. */
struct rows_seen {
    size_t width, n, cap; // floats
    float *at;
};

static void see_rows(void *context, size_t layer, enum row_site site,
                     const struct engine_window *windows, size_t n_windows, const float *rows)
{
    (void)layer;
    (void)site;
    struct rows_seen *seen = context;
    size_t n = 0;
    for (size_t k = 0; k < n_windows; k++) {
        n += (windows[k].n + 1) * seen->width;
    }
    assert_true(seen->n + n <= seen->cap);
    memcpy(seen->at + seen->n, rows, n * sizeof *rows);
    seen->n += n;
}

/* Without log-probs a watch sees the same rows. */
static void layers_alone_show_the_same_rows(void **state)
{
    (void)state;
    static struct windows w;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        const size_t width = m->config.n_heads * m->config.d_head;
        const size_t cap = m->config.n_layers * 1024 * width;
        struct engine_at_work a = engine_start(m, kern_best(), PRECISION_FAST);
        struct rows_seen seen[2] = {
            {.width = width, .cap = cap, .at = malloc(cap * sizeof(float))},
            {.width = width, .cap = cap, .at = malloc(cap * sizeof(float))}};
        make_windows(&w, m);
        assert_int_equal(engine_watch_sites(a.ctx, ROW_BIT(ROW_Z), NULL), 0);
        for (size_t k = 0; k < 2; k++) {
            const struct engine_watch watch = {
                .sites = ROW_BIT(ROW_Z), .rows = see_rows, .context = &seen[k]};
            assert_non_null(seen[k].at);
            if (k == 0) {
                engine_score_watched(a.ctx, w.items, WINDOWS, &watch, NULL);
            } else {
                engine_watch_layers(a.ctx, w.items, WINDOWS, &watch, NULL);
            }
        }
        assert_true(seen[0].n > 0);
        assert_int_equal(seen[0].n, seen[1].n);
        assert_memory_equal(seen[0].at, seen[1].at, seen[0].n * sizeof(float));
        free(seen[0].at);
        free(seen[1].at);
        engine_stop(&a);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_alone_show_the_same_rows),
        cmocka_unit_test(kept_rows_are_those_that_are_made_again),
        cmocka_unit_test(a_block_before_the_last_is_not_kept),
        cmocka_unit_test(picks_of_odd_widths_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
