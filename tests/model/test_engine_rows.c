/*
 * What an engine shows while it scores, at every site, is what the reference pass has there, and
 * holds by the formulas: sums of the residual stream, norms, attention, logits
 */
#include "tests/kit/engine_seen.h"

#include <math.h>

static const char *const site_names[ROW_SITES] = {"resid_pre", "ln1", "z",    "resid_mid", "ln2",
                                                  "pre",       "mid", "post", "mlp_out",   "final"};

// --- the reference ------------------------------------------------------------------------------

/* The largest difference of a layer's n numbers, relative to the largest of b. */
static double off_by(const float *a, const float *b, size_t n)
{
    double most = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]), size = fabs((double)b[i]);
        assert_false(isnan(d));
        most = d > most ? d : most;
        scale = size > scale ? size : scale;
    }
    return scale > 0 ? most / scale : most;
}

static void compare(const struct seen *s, const struct seen *wanted, const char *kern, double *most)
{
    const struct config *c = &s->model->config;
    for (enum row_site site = 0; site < ROW_SITES; site++) {
        const size_t from = site == ROW_RESID_FINAL ? c->n_layers - 1 : 0; // of the last alone
        for (size_t l = from; l < c->n_layers && s->rows[site]; l++) {
            const size_t n = s->begin[WINDOWS] * row_width(c, site);
            const double error = off_by(seen_rows(s, site, l, 0), seen_rows(wanted, site, l, 0), n);
            if (!(error < 1e-5)) {
                fail_msg("%s, %s, %s of layer %zu: off by %g of the scale", kern, s->model->name,
                         site_names[site], l, error);
            }
            *most = error > *most ? error : *most;
        }
    }
    const size_t n = c->n_layers * c->n_heads * s->squares[WINDOWS];
    const double error = off_by(s->pattern, wanted->pattern, n);
    if (!(error < 1e-5)) {
        fail_msg("%s, %s: patterns are off by %g", kern, s->model->name, error);
    }
    *most = error > *most ? error : *most;
}

static void rows_of_every_site_are_as_the_reference(void **state)
{
    (void)state;
    static struct seen s, wanted;
    double most = 0;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        seen_new(&s, m);
        seen_copy(&wanted, &s);
        seen_reference(&wanted);
        for (size_t t = 0; kern_at(t); t++) {
            if (engine_is_tried(kern_at(t))) {
                struct engine_at_work a = engine_start(m, kern_at(t), PRECISION_EXACT);
                seen_look(&s, a.ctx);
                engine_stop(&a);
                compare(&s, &wanted, kern_at(t)->name, &most);
            }
        }
        seen_end(&s);
        seen_end(&wanted);
        model_free(m);
    }
    printf("largest error %.1e of the scale\n", most);
}

// --- by the formulas ----------------------------------------------------------------------------

/* Adds z W_O + b_O of a layer to sum[d_model]. */
static void add_attention(const struct model *m, size_t layer, const float *z, double *sum)
{
    const struct config *c = &m->config;
    const struct layer *w = &m->layers[layer];
    for (size_t i = 0; i < c->d_model; i++) {
        sum[i] += (double)w->b_O[i];
        for (size_t k = 0; k < c->n_heads * c->d_head; k++) {
            sum[i] += (double)z[k] * (double)w->W_O[k * c->d_model + i];
        }
    }
}

/* The residual stream behind a layer. */
static const float *resid_behind(const struct seen *s, size_t layer, size_t row)
{
    const struct config *c = &s->model->config;
    const bool last = layer + 1 == c->n_layers;
    return seen_rows(s, last ? ROW_RESID_FINAL : ROW_RESID_PRE, last ? layer : layer + 1, 0) +
           row * c->d_model;
}

/* resid_mid = resid_pre + z W_O + b_O, or the next layer's resid_pre where there is no MLP; and
 * mlp_out is what comes to it. */
static void expect_sums(const struct seen *s, size_t layer, size_t row)
{
    const struct config *c = &s->model->config;
    const size_t d = c->d_model;
    const float *pre = seen_rows(s, ROW_RESID_PRE, layer, 0) + row * d;
    const float *z = seen_rows(s, ROW_Z, layer, 0) + row * c->n_heads * c->d_head;
    const float *behind = resid_behind(s, layer, row);
    const float *mid = c->attn_only ? behind : seen_rows(s, ROW_RESID_MID, layer, 0) + row * d;
    double sum[1024], scale = 0;
    assert_true(d <= 1024);
    for (size_t i = 0; i < d; i++) {
        sum[i] = (double)pre[i];
        scale = fmax(scale, fmax(fabs((double)mid[i]), fabs((double)behind[i])));
    }
    add_attention(s->model, layer, z, sum);
    for (size_t i = 0; i < d; i++) {
        assert_true(fabs(sum[i] - (double)mid[i]) < 1e-4 * scale);
    }
    for (size_t i = 0; i < d && !c->attn_only; i++) {
        const float *out = seen_rows(s, ROW_MLP_OUT, layer, 0) + row * d;
        assert_true(fabs((double)mid[i] + (double)out[i] - (double)behind[i]) < 1e-4 * scale);
    }
}

/* Mean 0, variance 1 but for what eps takes from it. */
static void expect_normed(const struct seen *s, enum row_site site, size_t layer, size_t row)
{
    const struct config *c = &s->model->config;
    const float *x = seen_rows(s, site, layer, 0) + row * c->d_model;
    const enum row_site from = site == ROW_LN1 ? ROW_RESID_PRE : ROW_RESID_MID;
    const float *resid = seen_rows(s, from, layer, 0) + row * c->d_model;
    double mean = 0, square = 0, spread = 0, middle = 0;
    for (size_t i = 0; i < c->d_model; i++) {
        mean += (double)x[i] / (double)c->d_model;
        square += (double)x[i] * (double)x[i] / (double)c->d_model;
        middle += (double)resid[i] / (double)c->d_model;
    }
    for (size_t i = 0; i < c->d_model; i++) {
        const double from_middle = (double)resid[i] - middle;
        spread += from_middle * from_middle / (double)c->d_model;
    }
    assert_true(fabs(mean) < 1e-5);
    assert_true(fabs(square - spread / (spread + (double)c->eps)) < 1e-4);
    assert_true(square <= 1 + 1e-4);
}

/* Attention looks at a position and those before it alone, and gives out 1. */
static void expect_pattern(const struct seen *s, size_t layer, size_t head, size_t k)
{
    const size_t side = s->items[k].n + 1;
    const float *p = seen_pattern(s, layer, head, k);
    for (size_t i = 0; i < side; i++) {
        double sum = 0;
        for (size_t j = 0; j < side; j++) {
            const double x = (double)p[i * side + j];
            assert_true(x >= 0 && (j <= i || x == 0));
            sum += x;
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
}

/* z = sum over positions of pattern v, v = x W_V + b_V, x the norm of resid_pre. */
static void expect_z(const struct seen *s, size_t layer, size_t head, size_t k)
{
    const struct config *c = &s->model->config;
    const struct layer *w = &s->model->layers[layer];
    const size_t side = s->items[k].n + 1, d = c->d_model;
    const float *W_V = w->W_V + head * d * c->d_head, *b_V = w->b_V + head * c->d_head;
    const float *pattern = seen_pattern(s, layer, head, k), *x = seen_rows(s, ROW_LN1, layer, k);
    double *v = calloc(side * c->d_head, sizeof *v), scale = 0;
    assert_non_null(v);
    for (size_t j = 0; j < side; j++) {
        for (size_t h = 0; h < c->d_head; h++) {
            double sum = (double)b_V[h];
            for (size_t i = 0; i < d; i++) {
                const double in = (double)x[j * d + i];
                const double read = w->ln1_w ? in * (double)w->ln1_w[i] + (double)w->ln1_b[i] : in;
                sum += read * (double)W_V[i * c->d_head + h];
            }
            v[j * c->d_head + h] = sum;
            scale = fmax(scale, fabs(sum));
        }
    }
    for (size_t i = 0; i < side; i++) {
        const float *z = seen_rows(s, ROW_Z, layer, k) + i * c->n_heads * c->d_head;
        for (size_t h = 0; h < c->d_head; h++) {
            double sum = 0;
            for (size_t j = 0; j <= i; j++) {
                sum += (double)pattern[i * side + j] * v[j * c->d_head + h];
            }
            assert_true(fabs(sum - (double)z[head * c->d_head + h]) < 1e-4 * scale);
        }
    }
    free(v);
}

static void rows_are_what_the_formulas_say(void **state)
{
    (void)state;
    static struct seen s;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        const struct config *c = &m->config;
        struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
        seen_new(&s, m);
        seen_look(&s, a.ctx);
        for (size_t l = 0; l < c->n_layers; l++) {
            for (size_t row = 0; row < s.begin[WINDOWS]; row += 7) {
                expect_sums(&s, l, row);
                if (c->norm != NORM_NONE) {
                    expect_normed(&s, ROW_LN1, l, row);
                }
                if (c->norm != NORM_NONE && !c->attn_only) {
                    expect_normed(&s, ROW_LN2, l, row);
                }
            }
            for (size_t k = 0; k < WINDOWS * c->n_heads; k++) {
                expect_pattern(&s, l, k % c->n_heads, k / c->n_heads);
            }
            for (size_t k = 0; k < 5 * c->n_heads; k++) {
                expect_z(&s, l, k % c->n_heads, k / c->n_heads);
            }
        }
        seen_end(&s);
        engine_stop(&a);
        model_free(m);
    }
}

// --- logits -------------------------------------------------------------------------------------

/* All logits of a row and single ones; and together they say the log-prob that was scored. */
static void expect_logits(const struct seen *s, struct engine_at_work *a, size_t k, size_t i)
{
    const struct config *c = &s->model->config;
    const float *x = s->normed + (s->begin[k] + i) * c->d_model;
    size_t ld;
    const float *logits = engine_logits(a->ctx, x, 1, &ld);
    double scale = 0, most = -INFINITY, sum = 0;
    assert_true(ld >= c->d_vocab);
    for (size_t id = 0; id < c->d_vocab; id++) {
        scale = fmax(scale, fabs((double)logits[id]));
        most = fmax(most, (double)logits[id]);
    }
    for (uint32_t id = 0; id < c->d_vocab; id++) {
        const double one = (double)engine_logit(a->engine, x, id);
        assert_true(fabs(one - (double)logits[id]) <= 1e-5 * fmax(scale, 1));
        sum += exp((double)logits[id] - most);
    }
    const double logprob = (double)logits[s->tokens[k][i]] - most - log(sum);
    assert_true(fabs(logprob - s->logprob[k][i]) < ENGINE_MAX_NATS);
}

static void normed_rows_give_the_logits(void **state)
{
    (void)state;
    static struct seen s;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        seen_new(&s, m);
        for (size_t t = 0; kern_at(t); t++) {
            if (!engine_is_tried(kern_at(t))) {
                continue;
            }
            struct engine_at_work a = engine_start(m, kern_at(t), PRECISION_EXACT);
            seen_look(&s, a.ctx);
            for (size_t k = 0; k < WINDOWS; k++) {
                expect_logits(&s, &a, k, 0);
                expect_logits(&s, &a, k, s.items[k].n - 1);
            }
            engine_stop(&a);
        }
        seen_end(&s);
        model_free(m);
    }
}

/* Several rows at once give what each gives alone, bit for bit. */
static void logits_of_a_row_do_not_depend_on_others(void **state)
{
    (void)state;
    static struct seen s;
    struct model *m = golden_model("gelu-2l");
    struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
    const size_t d = m->config.d_model, d_vocab = m->config.d_vocab;
    seen_new(&s, m);
    seen_look(&s, a.ctx);
    assert_true(s.items[3].n > 3);
    const float *x = s.normed + s.begin[3] * d;
    size_t ld, one_ld;
    const float *logits = engine_logits(a.ctx, x, 3, &ld);
    float *kept = malloc(3 * d_vocab * sizeof *kept);
    assert_non_null(kept);
    for (size_t i = 0; i < 3; i++) {
        memcpy(kept + i * d_vocab, logits + i * ld, d_vocab * sizeof *kept);
    }
    for (size_t i = 0; i < 3; i++) {
        logits = engine_logits(a.ctx, x + i * d, 1, &one_ld);
        assert_memory_equal(logits, kept + i * d_vocab, d_vocab * sizeof *kept);
    }
    free(kept);
    seen_end(&s);
    engine_stop(&a);
    model_free(m);
}

// --- what is asked for --------------------------------------------------------------------------

/* A watch of everything changes no log-prob, and neither does one of the normed rows alone. */
static void watching_everything_changes_no_log_prob(void **state)
{
    (void)state;
    static struct seen s;
    static double before[WINDOWS][1024];
    static const char *const names[] = {"attn-only-2l-demo", "gelu-2l", "solu-4l"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *m = golden_model(names[i]);
        struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
        seen_new(&s, m);
        engine_score(a.ctx, s.items, WINDOWS, NULL);
        memcpy(before, s.logprob, sizeof before);
        memset(s.logprob, 0, sizeof s.logprob);
        seen_look(&s, a.ctx);
        assert_memory_equal(s.logprob, before, sizeof before);
        const struct engine_watch normed = {.normed = seen_keep_normed, .context = &s};
        memset(s.logprob, 0, sizeof s.logprob);
        engine_score_watched(a.ctx, s.items, WINDOWS, &normed, NULL);
        assert_memory_equal(s.logprob, before, sizeof before);
        seen_end(&s);
        engine_stop(&a);
        model_free(m);
    }
}

struct counted {
    unsigned rows[ROW_SITES];
};

static void count_rows(void *context, size_t layer, enum row_site site,
                       const struct engine_window *windows, size_t n_windows, const float *rows)
{
    (void)layer;
    (void)windows;
    (void)n_windows;
    (void)rows;
    ((struct counted *)context)->rows[site]++;
}

/* Room for all sites was made, and one is asked for. */
static void only_what_is_asked_for_is_shown(void **state)
{
    (void)state;
    static struct seen s;
    struct model *m = golden_model("solu-4l");
    struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
    seen_new(&s, m);
    assert_int_equal(engine_watch_sites(a.ctx, row_sites(&m->config), NULL), 0);
    for (enum row_site site = 0; site < ROW_SITES; site++) {
        struct counted counted = {0};
        const struct engine_watch watch = {
            .sites = ROW_BIT(site), .rows = count_rows, .context = &counted};
        engine_score_watched(a.ctx, s.items, 1, &watch, NULL);
        for (enum row_site other = 0; other < ROW_SITES; other++) {
            const unsigned layers = site == ROW_RESID_FINAL ? 1 : (unsigned)m->config.n_layers;
            assert_int_equal(counted.rows[other], other == site ? layers : 0);
        }
    }
    seen_end(&s);
    engine_stop(&a);
    model_free(m);
}

static void sites_that_a_model_has_not_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"attn-only-1l", "gelu-1l", "solu-1l"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *m = golden_model(names[i]);
        struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
        for (enum row_site site = 0; site < ROW_SITES; site++) {
            struct err err = {0};
            const bool has = row_sites(&m->config) & ROW_BIT(site);
            assert_int_equal(engine_watch_sites(a.ctx, ROW_BIT(site), &err),
                             has ? 0 : ERR_UNSUPPORTED);
            assert_int_equal(err.msg[0] != '\0', !has);
        }
        engine_stop(&a);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_every_site_are_as_the_reference),
        cmocka_unit_test(rows_are_what_the_formulas_say),
        cmocka_unit_test(normed_rows_give_the_logits),
        cmocka_unit_test(logits_of_a_row_do_not_depend_on_others),
        cmocka_unit_test(watching_everything_changes_no_log_prob),
        cmocka_unit_test(only_what_is_asked_for_is_shown),
        cmocka_unit_test(sites_that_a_model_has_not_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
