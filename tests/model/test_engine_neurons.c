/*
 * The neurons that an engine shows while it scores are those of the reference pass, and watching
 * them changes no log-prob.
 */
#include "tests/kit/engine_kit.h"

#include <math.h>

#include "model/pass/forward.h"
#include "tests/kit/random.h"

#define WATCHED 95 // windows of 1 .. 95 tokens, the most that a golden model can watch

/* Windows of all lengths, not in order, enough for some blocks, and their neurons. */
struct watched {
    const struct model *model;
    enum site site;
    struct engine_window items[WATCHED];
    uint32_t tokens[WATCHED][WATCHED];
    double logprob[WATCHED][WATCHED];
    float *acts[WATCHED]; // [n_layers][n + 1][d_mlp]
    unsigned seen[WATCHED];
    size_t next, layer; // the window and layer that come next
};

static void watched_new(struct watched *w, const struct model *m)
{
    const uint32_t d_vocab = (uint32_t)m->config.d_vocab;
    assert_true(m->config.n_ctx == WATCHED + 1);
    *w = (struct watched){.model = m};
    for (size_t k = 0; k < WATCHED; k++) {
        const size_t n = k * 37 % WATCHED + 1;
        for (size_t i = 0; i < n; i++) {
            w->tokens[k][i] = next_random(d_vocab);
        }
        w->items[k] = (struct engine_window){.first = next_random(d_vocab),
                                             .tokens = w->tokens[k],
                                             .n = n,
                                             .logprob = w->logprob[k]};
        w->acts[k] = malloc(m->config.n_layers * (n + 1) * m->config.d_mlp * sizeof(float));
        assert_non_null(w->acts[k]);
    }
}

/* The same windows, with room for neurons and log-probs of its own. */
static void watched_copy(struct watched *w, const struct watched *other)
{
    const struct config *c = &other->model->config;
    *w = *other;
    for (size_t k = 0; k < WATCHED; k++) {
        w->acts[k] = malloc(c->n_layers * (w->items[k].n + 1) * c->d_mlp * sizeof(float));
        assert_non_null(w->acts[k]);
        w->items[k].logprob = w->logprob[k];
    }
}

static void watched_end(struct watched *w)
{
    for (size_t k = 0; k < WATCHED; k++) {
        free(w->acts[k]);
    }
}

static float *acts_of(const struct watched *w, size_t k, size_t layer)
{
    return w->acts[k] + layer * (w->items[k].n + 1) * w->model->config.d_mlp;
}

/* engine_rows(): keeps what it sees, which must come block by block, layer by layer. */
static void watch_neurons(void *context, size_t layer, enum row_site site,
                          const struct engine_window *windows, size_t n_windows, const float *acts)
{
    struct watched *w = context;
    const struct config *c = &w->model->config;
    assert_int_equal(layer, w->layer);
    assert_int_equal(site, engine_neuron_site(w->site));
    assert_ptr_equal(windows, &w->items[w->next]);
    for (size_t k = w->next; k < w->next + n_windows; k++) {
        const size_t n = (w->items[k].n + 1) * c->d_mlp;
        memcpy(acts_of(w, k, layer), acts, n * sizeof *acts);
        acts += n;
        w->seen[k]++;
    }
    w->layer = (layer + 1) % c->n_layers;
    w->next += w->layer == 0 ? n_windows : 0;
}

static void watch(struct watched *w, struct engine_ctx *ctx)
{
    const uint32_t sites = ROW_BIT(engine_neuron_site(w->site));
    const struct engine_watch how = {.sites = sites, .rows = watch_neurons, .context = w};
    assert_int_equal(engine_watch_sites(ctx, sites, NULL), 0);
    w->next = w->layer = 0;
    memset(w->seen, 0, sizeof w->seen);
    engine_score_watched(ctx, w->items, WATCHED, &how, NULL);
    assert_int_equal(w->next, WATCHED);
    for (size_t k = 0; k < WATCHED; k++) {
        assert_int_equal(w->seen[k], w->model->config.n_layers);
    }
}

/* The neurons of the reference at the same site, including the last token of a window. */
struct hooked {
    struct watched *watched;
    size_t window;
};

static void hook(void *context, size_t layer, enum site site, const float *acts, size_t n,
                 size_t d_mlp)
{
    const struct hooked *h = context;
    if (site == h->watched->site) {
        memcpy(acts_of(h->watched, h->window, layer), acts, n * d_mlp * sizeof *acts);
    }
}

static void hook_all(struct watched *w)
{
    struct forward *f;
    assert_int_equal(forward_new(&f, w->model, NULL), 0);
    for (size_t k = 0; k < WATCHED; k++) {
        struct hooked hooked = {.watched = w, .window = k};
        const struct forward_hooks hooks = {.context = &hooked, .neurons = hook};
        uint32_t ids[WATCHED + 1];
        ids[0] = w->items[k].first;
        memcpy(ids + 1, w->items[k].tokens, w->items[k].n * sizeof *ids);
        forward_run(f, ids, w->items[k].n + 1, &hooks);
    }
    forward_free(f);
}

/* The largest difference between the neurons of the same windows, relative to the layer's scale. */
static double compare_neurons(const struct watched *w, const struct watched *wanted)
{
    const struct config *c = &w->model->config;
    double all = 0;
    for (size_t l = 0; l < c->n_layers; l++) {
        double most = 0, scale = 0;
        for (size_t k = 0; k < WATCHED; k++) {
            const float *x = acts_of(w, k, l), *y = acts_of(wanted, k, l);
            for (size_t i = 0; i < (w->items[k].n + 1) * c->d_mlp; i++) {
                const double d = fabs((double)x[i] - (double)y[i]), size = fabs((double)y[i]);
                assert_false(isnan(d));
                most = d > most ? d : most;
                scale = size > scale ? size : scale;
            }
        }
        all = most / scale > all ? most / scale : all;
    }
    return all;
}

static const struct {
    const char *name;
    bool solu;
} with_neurons[] = {{"gelu-1l", false},       {"gelu-2l", false},       {"solu-1l", true},
                    {"solu-4l", true},        {"SoLU_1L_v9_old", true}, {"SoLU_4L_v11_old", true},
                    {"SoLU_8L_v21_old", true}};
#define N_WITH_NEURONS (sizeof with_neurons / sizeof *with_neurons)

static void watched_neurons_are_as_the_reference(void **state)
{
    (void)state;
    static struct watched w, wanted;
    const enum site sites[] = {SITE_PRE, SITE_POST, SITE_MID};
    double most = 0;
    for (size_t i = 0; i < N_WITH_NEURONS; i++) {
        struct model *m = golden_model(with_neurons[i].name);
        watched_new(&w, m);
        watched_copy(&wanted, &w);
        for (size_t s = 0; s < (with_neurons[i].solu ? 3 : 2); s++) {
            w.site = wanted.site = sites[s];
            hook_all(&wanted);
            for (size_t t = 0; kern_at(t); t++) {
                if (!engine_is_tried(kern_at(t))) {
                    continue;
                }
                struct engine_at_work a = engine_start(m, kern_at(t), PRECISION_EXACT);
                watch(&w, a.ctx);
                engine_stop(&a);
                const double error = compare_neurons(&w, &wanted);
                if (!(error < 1e-5)) {
                    fail_msg("%s, %s, %s: off by %g of the scale", kern_at(t)->name, m->name,
                             site_name(sites[s]), error);
                }
                most = error > most ? error : most;
            }
        }
        watched_end(&w);
        watched_end(&wanted);
        model_free(m);
    }
    printf("largest error %.1e of the scale\n", most);
}

/* Compares log-probs with and without a watch, and neurons of this precision and of an exact
 * engine. */
static void check_watched(struct watched *w, const struct model *m, const struct kern *k,
                          enum precision precision)
{
    static double before[WATCHED][WATCHED], after[WATCHED][WATCHED];
    static struct watched exact;
    struct engine_at_work a = engine_start(m, k, precision),
                          b = engine_start(m, k, PRECISION_EXACT);
    watched_copy(&exact, w);
    memset(w->logprob, 0, sizeof w->logprob);
    engine_score(a.ctx, w->items, WATCHED, NULL);
    memcpy(before, w->logprob, sizeof before);
    watch(w, a.ctx);
    memcpy(after, w->logprob, sizeof after);
    watch(&exact, b.ctx);
    engine_score(a.ctx, w->items, WATCHED, NULL);
    assert_memory_equal(w->logprob, before, sizeof before); // without a watch again
    for (size_t i = 0; i < WATCHED; i++) {
        const size_t n = m->config.n_layers * (w->items[i].n + 1) * m->config.d_mlp;
        assert_memory_equal(w->acts[i], exact.acts[i], n * sizeof(float));
        for (size_t j = 0; j < w->items[i].n; j++) {
            assert_true(precision == PRECISION_FAST ? fabs(after[i][j] - exact.logprob[i][j]) <=
                                                          engine_promises[precision].most
                                                    : after[i][j] == before[i][j]);
        }
    }
    watched_end(&exact);
    engine_stop(&a);
    engine_stop(&b);
}

static void watching_changes_no_log_prob(void **state)
{
    (void)state;
    static struct watched w;
    for (size_t i = 1; i < 4; i += 2) { // gelu-2l, solu-4l
        struct model *m = golden_model(with_neurons[i].name);
        watched_new(&w, m);
        w.site = with_neurons[i].solu ? SITE_MID : SITE_POST;
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && engine_is_tried(kern_at(t)); p++) {
                check_watched(&w, m, kern_at(t), (enum precision)p);
            }
        }
        watched_end(&w);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watched_neurons_are_as_the_reference),
        cmocka_unit_test(watching_changes_no_log_prob),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
