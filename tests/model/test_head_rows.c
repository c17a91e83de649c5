/*
 * Changed models that share with their whole: they begin where they differ, and heads of the last
 * layer get their logits from those of the whole
 */
#include "tests/bench/synthetic.h"
#include "tests/kit/engine_kit.h"

#include <math.h>

enum { WINDOWS = 5, TOKENS_MOST = 40, HEADS_MOST = 4 };

static const size_t lengths[WINDOWS] = {1, 39, 17, 2, 30};

/* Windows of random ids, and who gives them values: each takes those of the next. */
struct text {
    struct engine_window items[WINDOWS];
    uint32_t ids[WINDOWS][TOKENS_MOST];
    double logprob[WINDOWS][TOKENS_MOST];
    float *values, *mean;
    size_t begin[WINDOWS], width;
    struct engine_replaced by;
};

static struct engine_donor donor_of(void *context, const struct engine_window *window)
{
    const struct text *t = context;
    size_t k = 0;
    while (t->items[k].tokens != window->tokens) {
        k++;
    }
    k = (k + 1) % WINDOWS;
    return (struct engine_donor){.values = t->values + t->begin[k] * t->width,
                                 .rows = t->items[k].n + 1};
}

static void text_make(struct text *t, size_t d_vocab)
{
    for (size_t k = 0; k < WINDOWS; k++) {
        for (size_t i = 0; i <= lengths[k]; i++) {
            t->ids[k][i] = synthetic_random() % (uint32_t)d_vocab;
        }
        t->items[k] = (struct engine_window){.first = t->ids[k][0],
                                             .tokens = t->ids[k] + 1,
                                             .n = lengths[k],
                                             .logprob = t->logprob[k]};
    }
}

/* What the changes of a model replace their values by. */
static void text_replace(struct text *t, struct engine_ctx *ctx, const struct changes *c)
{
    size_t n = 0;
    for (size_t k = 0; k < WINDOWS; k++) {
        t->begin[k] = n;
        n += t->items[k].n + 1;
    }
    t->width = c->width;
    t->values = calloc(n * c->width, sizeof *t->values);
    t->mean = calloc(c->width, sizeof *t->mean);
    assert_true(t->values && t->mean);
    engine_record(ctx, t->items, WINDOWS, c, t->values, NULL);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < c->width; j++) {
            t->mean[j] += t->values[i * c->width + j] / (float)n;
        }
    }
    t->by = (struct engine_replaced){.mean = t->mean, .donor = donor_of, .context = t};
    assert_int_equal(engine_change(ctx, c, NULL), 0);
    engine_replace(ctx, &t->by);
}

static void text_end(struct text *t, struct engine_ctx *ctx)
{
    engine_replace(ctx, NULL);
    free(t->values);
    free(t->mean);
}

static struct changes parse(const char *text, const struct model *m)
{
    struct changes c;
    struct err err;
    if (changes_parse(&c, text, &m->config, &err)) {
        fail_msg("%s", err.msg);
    }
    return c;
}

// --- heads of the last layer --------------------------------------------------------------------

/* The whole and all of its last heads, changed by one verb. */
struct together {
    struct engine_at_work whole;
    struct engine_ctx *changed;
    struct text *text;
    size_t n;
    struct changes changes[HEADS_MOST];
    struct head_logits *logits[HEADS_MOST];
    struct head_rows *rows[HEADS_MOST];
    size_t from, only; // heads [from, from + only), of the windows of the call
};

static void together_start(struct together *g, const struct model *m, const struct kern *kern,
                           enum precision precision, const char *verb, struct text *text)
{
    char spec[64];
    *g = (struct together){.text = text, .n = m->config.n_heads};
    g->whole = engine_start(m, kern, precision);
    assert_in_range(g->n, 1, HEADS_MOST);
    assert_int_equal(engine_ctx_new(&g->changed, g->whole.engine, NULL), 0);
    assert_int_equal(engine_keep_layers(g->whole.ctx, NULL), 0);
    assert_int_equal(engine_begin_from(g->changed, g->whole.ctx, NULL), 0);
    for (size_t h = 0; h < g->n; h++) {
        snprintf(spec, sizeof spec, "%s.L%zuH%zu", verb, m->config.n_layers - 1, h);
        g->changes[h] = parse(spec, m);
        assert_int_equal(engine_linear_head(g->whole.engine, &g->changes[h]), h);
        const struct unembed *u = engine_unembed(g->whole.engine);
        assert_int_equal(head_logits_new(&g->logits[h], u, h, NULL), 0);
        const size_t most = engine_rows_max(g->whole.engine);
        assert_int_equal(head_rows_new(&g->rows[h], g->logits[h], most, NULL), 0);
    }
}

static void together_end(struct together *g)
{
    for (size_t h = 0; h < g->n; h++) {
        head_rows_free(g->rows[h]);
        head_logits_free(g->logits[h]);
        changes_free(&g->changes[h]);
    }
    engine_ctx_free(g->changed);
    engine_stop(&g->whole);
}

/* engine_heads() */
static struct head_list set_rows(void *context, const struct engine_window *windows,
                                 size_t n_windows)
{
    struct together *g = context;
    for (size_t h = g->from; h < g->from + g->only; h++) {
        text_replace(g->text, g->changed, &g->changes[h]);
        engine_head_rows(g->changed, windows, n_windows, h, g->rows[h], NULL);
        text_end(g->text, g->changed);
    }
    return (struct head_list){g->rows + g->from, g->only};
}

/* Scores some windows, and some heads with them: to[h][token]. */
static void score_together(struct together *g, size_t first, size_t n, size_t from, size_t only,
                           double (*to)[WINDOWS * TOKENS_MOST])
{
    const struct engine_watch watch = {.heads = set_rows, .context = g};
    g->from = from;
    g->only = only;
    engine_score_watched(g->whole.ctx, g->text->items + first, n, &watch, NULL);
    for (size_t h = from; h < from + only; h++) {
        for (size_t k = first, i = 0; k < first + n; k++) {
            for (size_t p = 0; p < g->text->items[k].n; p++, i++) {
                assert_non_null(head_rows_x(g->rows[h], i));
                to[h][k * TOKENS_MOST + p] = head_rows_logprob(g->rows[h], i);
            }
        }
    }
}

/* The same bits, however windows and heads are put together; and the whole's as alone. */
static void expect_same_bits(struct together *g, double (*wanted)[WINDOWS * TOKENS_MOST])
{
    static double got[HEADS_MOST][WINDOWS * TOKENS_MOST], whole[WINDOWS][TOKENS_MOST];
    memcpy(got, wanted, sizeof got);
    memcpy(whole, g->text->logprob, sizeof whole);
    score_together(g, 1, 2, 0, g->n, got);
    score_together(g, 4, 1, g->n - 1, 1, got);
    assert_memory_equal(got, wanted, sizeof got);
    engine_score(g->whole.ctx, g->text->items, WINDOWS, NULL);
    assert_memory_equal(whole, g->text->logprob, sizeof whole);
}

/* How far log-probs are from those of f32, in nats. */
struct off {
    double sum, most;
    size_t n, differ; // they have not the bits of the changed model by itself
};

/* Heads together against the changed model scored by itself, in f32. */
static void compare_head(struct together *g, struct engine_at_work *exact, size_t h,
                         const double *got, struct off *off)
{
    const struct text *t = g->text;
    text_replace(g->text, exact->ctx, &g->changes[h]);
    engine_score(exact->ctx, t->items, WINDOWS, NULL);
    text_end(g->text, exact->ctx);
    for (size_t k = 0; k < WINDOWS; k++) {
        for (size_t p = 0; p < t->items[k].n; p++) {
            const double by = fabs(got[k * TOKENS_MOST + p] - t->logprob[k][p]);
            off->sum += by;
            off->most = fmax(off->most, by);
            off->differ += by > 0;
            off->n++;
        }
    }
}

static struct off check_heads(const struct model *m, const struct kern *kern,
                              enum precision precision, const char *verb)
{
    static struct text text;
    static double got[HEADS_MOST][WINDOWS * TOKENS_MOST];
    struct together g;
    struct off off = {0};
    memset(got, 0, sizeof got);
    text_make(&text, m->config.d_vocab);
    together_start(&g, m, kern, precision, verb, &text);
    struct engine_at_work exact = engine_start(m, kern, PRECISION_EXACT);
    score_together(&g, 0, WINDOWS, 0, g.n, got);
    expect_same_bits(&g, got);
    for (size_t h = 0; h < g.n; h++) {
        compare_head(&g, &exact, h, got[h], &off);
    }
    engine_stop(&exact);
    together_end(&g);
    const double mean = off.sum / (double)off.n;
    if (!(off.most <= engine_promises[precision].most && mean <= engine_promises[precision].mean &&
          off.differ > off.n / 2)) {
        fail_msg("%s, %s, %s: %g nats off, %g on average, %zu of %zu differ", kern->name,
                 precision_name(precision), verb, off.most, mean, off.differ, off.n);
    }
    return off;
}

static void check_model(const struct model *m, const char *name)
{
    static const char *const verbs[] = {"zero", "mean", "resample"};
    for (enum precision p = PRECISION_EXACT; p <= PRECISION_FAST; p++) {
        struct off all = {0};
        for (size_t t = 0; kern_at(t); t++) {
            const size_t from = kern_at(t) == kern_best() ? 0 : 2; // resample says most
            for (size_t v = from; v < 3 && engine_is_tried(kern_at(t)); v++) {
                const struct off off = check_heads(m, kern_at(t), p, verbs[v]);
                all.sum += off.sum;
                all.n += off.n;
                all.most = fmax(all.most, off.most);
            }
        }
        printf("%s, %s: off f32 by %.1e nats on average, %.1e at most\n", name, precision_name(p),
               all.sum / (double)all.n, all.most);
    }
}

static void heads_are_within_the_promise_of_each_precision(void **state)
{
    (void)state;
    struct model *m = demo_model("attn-only-2l");
    check_model(m, "attn-only-2l");
    model_free(m);
    for (int outliers = 0; outliers < 2; outliers++) {
        m = synthetic_model(2, 128, 4, 0, 3001, 64, true, ACT_GELU, outliers);
        check_model(m, outliers ? "synthetic, outlier features" : "synthetic");
        m->config.final_rms = true;
        check_model(m, "the same, RMS norm");
        synthetic_free(m);
    }
}

/* A head that is most of the stream: without it the norm's scale is another one. */
static void what_the_norm_would_blow_up_is_scored_by_itself(void **state)
{
    (void)state;
    static struct text text;
    static double got[HEADS_MOST][WINDOWS * TOKENS_MOST];
    struct model *m = synthetic_model(2, 64, 4, 0, 500, 64, true, ACT_GELU, false);
    float *W_O = (float *)(uintptr_t)m->layers[1].W_O;
    for (size_t i = 0; i < 16 * 64; i++) {
        W_O[i] *= 100;
    }
    for (enum precision p = PRECISION_EXACT; p <= PRECISION_DEFAULT; p++) {
        struct together g;
        struct off off = {0}, others = {0};
        text_make(&text, m->config.d_vocab);
        together_start(&g, m, kern_best(), p, "zero", &text);
        struct engine_at_work same = engine_start(m, kern_best(), p);
        score_together(&g, 0, WINDOWS, 0, g.n, got);
        compare_head(&g, &same, 0, got[0], &off);
        compare_head(&g, &same, 1, got[1], &others);
        assert_true(off.differ < off.n / 4 && others.differ > others.n / 2);
        engine_stop(&same);
        together_end(&g);
    }
    synthetic_free(m);
}

// --- beginnings ---------------------------------------------------------------------------------

/* A changed model that begins with its whole's rows has the bits of one that does not. */
static void check_beginning(const struct model *m, enum precision precision, const char *spec)
{
    static struct text text;
    static double wanted[WINDOWS][TOKENS_MOST];
    struct engine_at_work whole = engine_start(m, kern_best(), precision);
    struct engine_ctx *changed;
    struct changes c = parse(spec, m);
    text_make(&text, m->config.d_vocab);
    assert_int_equal(engine_ctx_new(&changed, whole.engine, NULL), 0);
    assert_int_equal(engine_keep_layers(whole.ctx, NULL), 0);
    text_replace(&text, changed, &c);
    engine_score(changed, text.items, WINDOWS, NULL);
    memcpy(wanted, text.logprob, sizeof wanted);
    engine_score(whole.ctx, text.items, WINDOWS, NULL);
    assert_memory_not_equal(text.logprob, wanted, sizeof wanted);
    assert_int_equal(engine_begin_from(changed, whole.ctx, NULL), 0);
    engine_score(changed, text.items, WINDOWS, NULL);
    assert_memory_equal(text.logprob, wanted, sizeof wanted);
    engine_score(changed, text.items + 2, 2, NULL); // some of them
    engine_score(changed, text.items + 4, 1, NULL);
    assert_memory_equal(text.logprob, wanted, sizeof wanted);
    text_end(&text, changed);
    changes_free(&c);
    engine_ctx_free(changed);
    engine_stop(&whole);
}

static void beginnings_change_no_bit(void **state)
{
    (void)state;
    static const char *const specs[] = {"zero.L0H1",
                                        "mean.L1H2",
                                        "resample.L1MLP",
                                        "zero.L1N7,mean.L1H0",
                                        "resample.L0H3-L1H1.k",
                                        "mean.L0MLP,zero.L1H1"};
    struct model *m = golden_model("gelu-2l");
    for (enum precision p = PRECISION_EXACT; p <= PRECISION_FAST; p++) {
        for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
            check_beginning(m, p, specs[i]);
        }
    }
    model_free(m);
}

/* The whole's rows are of another text, or were forgotten: nothing begins with them. */
static void only_the_same_windows_begin_with_rows(void **state)
{
    (void)state;
    static struct text text;
    static double wanted[TOKENS_MOST];
    struct model *m = golden_model("gelu-2l");
    struct engine_at_work whole = engine_start(m, kern_best(), PRECISION_EXACT);
    struct engine_ctx *changed;
    struct changes c = parse("zero.L1H0", m);
    text_make(&text, m->config.d_vocab);
    assert_int_equal(engine_ctx_new(&changed, whole.engine, NULL), 0);
    assert_int_equal(engine_keep_layers(whole.ctx, NULL), 0);
    assert_int_equal(engine_begin_from(changed, whole.ctx, NULL), 0);
    engine_score(whole.ctx, text.items, WINDOWS, NULL);
    text_replace(&text, changed, &c);
    for (size_t i = 0; i < 3; i++) { // a shorter window; one with another 'first'; other tokens
        struct engine_window w = text.items[1];
        w.n -= i == 0;
        w.first += i == 1 ? 1 : 0;
        text.ids[1][5] += i == 2 ? 1 : 0;
        if (i == 2) {
            engine_forget_layers(whole.ctx);
        }
        engine_score(changed, &w, 1, NULL);
        memcpy(wanted, text.logprob[1], sizeof wanted);
        assert_int_equal(engine_begin_from(changed, NULL, NULL), 0);
        engine_score(changed, &w, 1, NULL);
        assert_memory_equal(text.logprob[1], wanted, w.n * sizeof *wanted);
        assert_int_equal(engine_begin_from(changed, whole.ctx, NULL), 0);
    }
    text_end(&text, changed);
    changes_free(&c);
    engine_ctx_free(changed);
    engine_stop(&whole);
    model_free(m);
}

static void only_a_last_head_of_attention_alone_is_linear(void **state)
{
    (void)state;
    static const struct {
        const char *model, *spec;
    } others[] = {{"attn-only-2l", "zero.L0H1"},
                  {"attn-only-2l", "zero.L1H0,zero.L1H1"},
                  {"attn-only-2l", "mean.L1H1-logits"},
                  {"attn-only-2l", "zero.L0H1-L1H0.q"},
                  {"gelu-1l", "zero.L0H1"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct model *m = demo_model(others[i].model);
        struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
        struct changes c = parse(others[i].spec, m);
        assert_int_equal(engine_linear_head(a.engine, &c), SIZE_MAX);
        changes_free(&c);
        engine_stop(&a);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_last_head_of_attention_alone_is_linear),
        cmocka_unit_test(beginnings_change_no_bit),
        cmocka_unit_test(only_the_same_windows_begin_with_rows),
        cmocka_unit_test(heads_are_within_the_promise_of_each_precision),
        cmocka_unit_test(what_the_norm_would_blow_up_is_scored_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
