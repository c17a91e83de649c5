/*
 * The engine, with every table of kernels that this CPU can run, against TransformerLens in
 * float64, against the reference pass, and against itself: a token's log-prob depends on its window
 * alone, whether it is run whole or as a branch of another.
 */
#include "tests/kit/golden.h"

#include <math.h>

#include "model/explain/patch.h"
#include "model/pass/engine.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/bench/synthetic.h"
#include "tests/kit/random.h"

// The contract is 1e-4 nats; what is reached is 1.5e-5 (an old 8-layer SoLU).
#define MAX_NATS 2e-5

static const char *const names[] = {
    "attn-only-1l",   "attn-only-2l-demo", "attn-only-3l",    "gelu-1l",
    "gelu-2l",        "redwood_attn_2l",   "solu-1l",         "solu-4l",
    "SoLU_1L_v9_old", "SoLU_4L_v11_old",   "SoLU_8L_v21_old",
};

static struct model *load(const char *folder, const char *name)
{
    char dir[256];
    struct model *m = NULL;
    struct err err = {0};
    snprintf(dir, sizeof dir, "%s/%s", folder, name);
    if (model_load(&m, name, dir, &err)) {
        fail_msg("%s", err.msg);
    }
    return m;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 1
#else
#define SLOW 0
#endif

/* Is this table tried in tests of all precisions?  A sanitizer makes plain C very slow. */
static bool is_tried(const struct kern *k)
{
    return kern_runs(k) && (!SLOW || k == kern_best());
}

struct at_work {
    struct engine *engine;
    struct engine_ctx *run;
};

static struct at_work start(const struct model *m, const struct kern *k, enum precision precision)
{
    struct at_work w;
    assert_int_equal(engine_new(&w.engine, m, k, precision, NULL), 0);
    assert_int_equal(engine_ctx_new(&w.run, w.engine, NULL), 0);
    return w;
}

static void stop(struct at_work *w)
{
    engine_ctx_free(w->run);
    engine_free(w->engine);
}

// --- TransformerLens ----------------------------------------------------------------------------

static double check_golden(const struct model *m, const struct kern *k, enum precision precision)
{
    char path[256];
    snprintf(path, sizeof path, "tests/golden/models/%s/golden.json", m->name);
    struct json_object *golden = golden_json(path);
    struct json_object *documents = json_member(golden, "documents");
    struct at_work w = start(m, k, precision);
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
        engine_score(w.run, &window, 1, NULL);
        for (size_t i = 0; i + 1 < n; i++) {
            const double error = fabs(got[i] - golden_number(logprob, i));
            most = error > most ? error : most;
        }
    }
    stop(&w);
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
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            struct model *m = load("tests/golden/models", names[i]);
            const double error = check_golden(m, kern_at(t), PRECISION_EXACT);
            if (!(error < MAX_NATS)) {
                fail_msg("%s, %s: off by %g nats", kern_at(t)->name, names[i], error);
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

/* Largest difference between what the windows hold and the reference, relative to 1 + |logprob|. */
static double compare(const struct windows *w, const struct model *m)
{
    struct forward *f;
    float *logits = malloc(m->config.d_vocab * sizeof *logits);
    double most = 0;
    assert_int_equal(forward_new(&f, m, NULL), 0);
    for (size_t k = 0; k < WINDOWS; k++) {
        const struct engine_window *one = &w->items[k];
        const size_t step = one->n > 64 ? 7 : 1; // of a long one, some
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
        struct model *m = load("model/demo", demo[d]);
        make_windows(&w, m);
        for (size_t t = 0; kern_at(t); t++) {
            if (kern_runs(kern_at(t))) {
                struct at_work a = start(m, kern_at(t), PRECISION_EXACT);
                engine_score(a.run, w.items, WINDOWS, NULL);
                assert_true(compare(&w, m) < MAX_NATS);
                stop(&a);
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
    struct at_work a = start(m, k, precision);
    engine_score(a.run, w.items, WINDOWS, NULL);
    memcpy(together, w.logprob, sizeof together);
    for (size_t i = WINDOWS; i-- > 0;) { // one by one, in another order
        engine_score(a.run, &w.items[i], 1, NULL);
        assert_memory_equal(w.logprob[i], together[i], w.items[i].n * sizeof(double));
    }
    // The beginning of a window is a window, and says the same.
    struct engine_window shorter = w.items[8];
    shorter.n = 100;
    engine_score(a.run, &shorter, 1, NULL);
    assert_memory_equal(w.logprob[8], together[8], 100 * sizeof(double));
    stop(&a);
}

static void a_token_depends_on_its_window_alone(void **state)
{
    (void)state;
    for (size_t d = 0; d < 4; d++) {
        struct model *m = load("model/demo", demo[d]);
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && is_tried(kern_at(t)); p++) {
                check_alone(m, kern_at(t), (enum precision)p);
            }
        }
        model_free(m);
    }
}

// --- the other precisions -----------------------------------------------------------------------

/* What is promised of a precision, in nats. */
static const struct {
    double mean, p99, most;
} promises[] = {{1e-5, 2e-5, 2e-5}, {1e-3, 1e-3, 1e-3}, {2e-3, 1e-2, 5e-2}};

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
    struct at_work a = start(m, k, precision);
    engine_score_exact(a.run, w.items, WINDOWS, NULL);
    memcpy(exact, w.logprob, sizeof exact);
    engine_score(a.run, w.items, WINDOWS, NULL);
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
    if (!(mean <= promises[precision].mean && p99 <= promises[precision].p99 &&
          most <= promises[precision].most)) {
        fail_msg("%s, %s, precision %d: off by %g in the mean, %g, %g at most", name, k->name,
                 precision, mean, p99, most);
    }
    // Exact values are those of an exact engine, bit for bit.
    struct at_work b = start(m, k, PRECISION_EXACT);
    engine_score(b.run, w.items, WINDOWS, NULL);
    assert_memory_equal(w.logprob, exact, sizeof exact);
    stop(&a);
    stop(&b);
}

static void precisions_keep_their_promises(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names + 4; i++) {
        const bool golden = i >= 4;
        const char *name = golden ? names[i - 4] : demo[i];
        struct model *m = load(golden ? "tests/golden/models" : "model/demo", name);
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && is_tried(kern_at(t)); p++) {
                check_promise(name, m, kern_at(t), (enum precision)p);
            }
        }
        model_free(m);
    }
}

/* At the hub's size: the width that rotates in one block, or in two; features that stand out. */
static void also_at_the_sizes_of_the_hub(void **state)
{
    (void)state;
    const struct {
        const char *name;
        size_t d_model;
        bool outliers;
    } kinds[] = {{"512", 512, false}, {"512 with outliers", 512, true}, {"736", 736, false}};
    for (size_t i = 0; i < (SLOW ? 1 : 3); i++) {
        struct model *m = synthetic_model(1, kinds[i].d_model, kinds[i].d_model / 32, 256, 2003,
                                          256, false, ACT_GELU, kinds[i].outliers);
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && is_tried(kern_at(t)); p++) {
                check_promise(kinds[i].name, m, kern_at(t), (enum precision)p);
            }
        }
        synthetic_free(m);
    }
}

// --- neurons ------------------------------------------------------------------------------------

#define WATCHED 95 // windows of 1 .. 95 tokens, the most that a golden model can watch

/* Windows of all lengths in no order, some blocks of them, and their neurons. */
struct watched {
    const struct model *model;
    enum site site;
    struct engine_window items[WATCHED];
    uint32_t tokens[WATCHED][WATCHED];
    double logprob[WATCHED][WATCHED];
    float *acts[WATCHED]; // [n_layers][n + 1][d_mlp]
    unsigned seen[WATCHED];
    size_t next, layer; // what comes next
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

static void watch(struct watched *w, struct engine_ctx *run)
{
    const uint32_t sites = ROW_BIT(engine_neuron_site(w->site));
    const struct engine_watch how = {.sites = sites, .rows = watch_neurons, .context = w};
    assert_int_equal(engine_watch_sites(run, sites, NULL), 0);
    w->next = w->layer = 0;
    memset(w->seen, 0, sizeof w->seen);
    engine_score_watched(run, w->items, WATCHED, &how, NULL);
    assert_int_equal(w->next, WATCHED);
    for (size_t k = 0; k < WATCHED; k++) {
        assert_int_equal(w->seen[k], w->model->config.n_layers);
    }
}

/* The same of the reference, at the same site: the last token of a window too. */
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

/* The largest difference between the neurons of the same windows, of the layer's scale. */
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
        struct model *m = load("tests/golden/models", with_neurons[i].name);
        watched_new(&w, m);
        watched_copy(&wanted, &w);
        for (size_t s = 0; s < (with_neurons[i].solu ? 3 : 2); s++) {
            w.site = wanted.site = sites[s];
            hook_all(&wanted);
            for (size_t t = 0; kern_at(t); t++) {
                if (!is_tried(kern_at(t))) {
                    continue;
                }
                struct at_work a = start(m, kern_at(t), PRECISION_EXACT);
                watch(&w, a.run);
                stop(&a);
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

/* Log-probs with and without a watch; neurons of this precision and of an exact engine. */
static void check_watched(struct watched *w, const struct model *m, const struct kern *k,
                          enum precision precision)
{
    static double before[WATCHED][WATCHED], after[WATCHED][WATCHED];
    static struct watched exact;
    struct at_work a = start(m, k, precision), b = start(m, k, PRECISION_EXACT);
    watched_copy(&exact, w);
    memset(w->logprob, 0, sizeof w->logprob);
    engine_score(a.run, w->items, WATCHED, NULL);
    memcpy(before, w->logprob, sizeof before);
    watch(w, a.run);
    memcpy(after, w->logprob, sizeof after);
    watch(&exact, b.run);
    engine_score(a.run, w->items, WATCHED, NULL);
    assert_memory_equal(w->logprob, before, sizeof before); // nobody watches any more
    for (size_t i = 0; i < WATCHED; i++) {
        const size_t n = m->config.n_layers * (w->items[i].n + 1) * m->config.d_mlp;
        assert_memory_equal(w->acts[i], exact.acts[i], n * sizeof(float));
        for (size_t j = 0; j < w->items[i].n; j++) {
            assert_true(precision == PRECISION_FAST
                            ? fabs(after[i][j] - exact.logprob[i][j]) <= promises[precision].most
                            : after[i][j] == before[i][j]);
        }
    }
    watched_end(&exact);
    stop(&a);
    stop(&b);
}

static void watching_changes_no_log_prob(void **state)
{
    (void)state;
    static struct watched w;
    for (size_t i = 1; i < 4; i += 2) { // gelu-2l, solu-4l
        struct model *m = load("tests/golden/models", with_neurons[i].name);
        watched_new(&w, m);
        w.site = with_neurons[i].solu ? SITE_MID : SITE_POST;
        for (size_t t = 0; kern_at(t); t++) {
            for (int p = 0; p < 3 && is_tried(kern_at(t)); p++) {
                check_watched(&w, m, kern_at(t), (enum precision)p);
            }
        }
        watched_end(&w);
        model_free(m);
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
    struct model *m = load("model/demo", "gelu-1l");
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
            struct at_work a = start(m, kern_at(t), PRECISION_FAST);
            struct seen seen = {.windows = &w, .picks = picks, .d_vocab = m->config.d_vocab};
            double exact[60];
            engine_pick_exact(a.run, picks, n, exact, NULL);
            engine_score_exact(a.run, w.items, WINDOWS, NULL);
            for (size_t k = 0; k < n; k++) {
                assert_true(exact[k] == picks[k].window->logprob[picks[k].at]);
            }
            engine_look(a.run, picks, n, see, &seen, NULL);
            assert_int_equal(seen.n, n);
            assert_true(seen.most < 2e-6);
            stop(&a);
        }
    }
    model_free(m);
}

/* One token far above or below all others, in the first panel or not. */
static void far_logits_are_right_too(void **state)
{
    (void)state;
    static struct windows w;
    struct model *m = load("model/demo", "attn-only-1l");
    float *b_U = m->block + (m->b_U - m->block);
    make_windows(&w, m);
    const uint32_t places[] = {5, 4095};
    const float sizes[] = {60, 1000, -1000};
    for (size_t p = 0; p < 2; p++) {
        for (size_t s = 0; s < 3; s++) {
            const float before = b_U[places[p]];
            b_U[places[p]] = sizes[s];
            for (size_t t = 0; kern_at(t); t++) {
                for (int q = 0; q < 3 && is_tried(kern_at(t)); q++) {
                    struct at_work a = start(m, kern_at(t), (enum precision)q);
                    engine_score(a.run, w.items, WINDOWS, NULL);
                    assert_true(compare(&w, m) < promises[q].most);
                    stop(&a);
                }
            }
            b_U[places[p]] = before;
        }
    }
    model_free(m);
}

// --- branches -----------------------------------------------------------------------------------

#define STEMS 6
#define BRANCHES 90 // more of a stem than are seen together
#define N_CTX 96    // of a golden model

struct branched {
    const struct model *model;
    enum site site;
    struct engine_window stems[STEMS];
    uint32_t tokens[STEMS][N_CTX];
    struct engine_branch items[BRANCHES];
    uint32_t ends[BRANCHES][4];
    struct engine_edit edits[BRANCHES][3];
    size_t next; // what is seen next
    // of each, what was seen
    double logprob[BRANCHES];
    float *acts, *post, *resid, *normed;
};

/* Stems of 0 tokens up to the most, branches of 1 .. 4 tokens, without edits. */
static void make_branches(struct branched *b, const struct model *m)
{
    const struct config *c = &m->config;
    const size_t sizes[STEMS] = {0, 1, 13, 40, 0, N_CTX - 2};
    const size_t n_neurons = BRANCHES * c->n_layers * (c->attn_only ? 1 : c->d_mlp);
    *b = (struct branched){.model = m};
    for (size_t k = 0; k < STEMS; k++) {
        for (size_t i = 0; i < sizes[k]; i++) {
            b->tokens[k][i] = next_random((uint32_t)c->d_vocab);
        }
        b->stems[k] = (struct engine_window){
            .first = next_random((uint32_t)c->d_vocab), .tokens = b->tokens[k], .n = sizes[k]};
    }
    for (size_t k = 0; k < BRANCHES; k++) {
        const size_t stem = k < 70 ? k / 35 + 2 : k / 5 % STEMS; // 35 of one stem, then 5
        const size_t room = c->n_ctx - 1 - b->stems[stem].n;
        const size_t n = 1 + k % 4 < room ? 1 + k % 4 : room;
        for (size_t i = 0; i < n; i++) {
            b->ends[k][i] = next_random((uint32_t)c->d_vocab);
        }
        b->items[k] = (struct engine_branch){.stem = &b->stems[stem],
                                             .tokens = b->ends[k],
                                             .n = n,
                                             .target = next_random((uint32_t)c->d_vocab)};
    }
    b->acts = malloc(n_neurons * sizeof *b->acts);
    b->post = malloc(n_neurons * sizeof *b->post);
    b->resid = malloc(BRANCHES * c->d_model * sizeof *b->resid);
    b->normed = malloc(BRANCHES * c->d_model * sizeof *b->normed);
    assert_true(b->acts && b->post && b->resid && b->normed);
}

static void branched_end(struct branched *b)
{
    free(b->acts);
    free(b->post);
    free(b->resid);
    free(b->normed);
}

/* The whole window of a branch: first, then how many tokens; the last is the target. */
static size_t whole_window(const struct engine_branch *b, uint32_t *ids)
{
    const size_t n = b->stem->n;
    ids[0] = b->stem->first;
    memcpy(ids + 1, b->stem->tokens, n * sizeof *ids);
    memcpy(ids + 1 + n, b->tokens, b->n * sizeof *ids);
    ids[1 + n + b->n] = b->target;
    return n + b->n + 1;
}

/* engine_leaves() */
static void see_leaves(void *context, size_t k, size_t n, const struct engine_leaf *leaves)
{
    struct branched *b = context;
    const struct config *c = &b->model->config;
    const size_t n_neurons = c->n_layers * c->d_mlp;
    assert_int_equal(k, b->next);
    b->next += n;
    for (size_t i = 0; i < n; i++) {
        const struct engine_leaf *l = &leaves[i];
        memcpy(b->normed + (k + i) * c->d_model, l->normed, c->d_model * sizeof *l->normed);
        memcpy(b->resid + (k + i) * c->d_model, l->resid, c->d_model * sizeof *l->resid);
        assert_true(c->attn_only == !l->acts && c->attn_only == !l->post);
        if (!c->attn_only) {
            memcpy(b->acts + (k + i) * n_neurons, l->acts, n_neurons * sizeof *l->acts);
            memcpy(b->post + (k + i) * n_neurons, l->post, n_neurons * sizeof *l->post);
        }
    }
}

static void run_branched(struct branched *b, struct engine_ctx *run)
{
    const struct engine_leaf_view view = {.site = b->site, .see = see_leaves, .context = b};
    b->next = 0;
    engine_branches(run, b->items, BRANCHES, &view, b->logprob, NULL);
    assert_int_equal(b->next, BRANCHES);
}

/* engine_view(): the one pick's residual and neurons */
static void see_sight(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    assert_true(k == 0 && n == 1);
    *(struct engine_sight *)context = sights[0];
}

/* A branch's logits, of the rows about it together, say what it said. */
static void check_logits(const struct branched *b, size_t k, struct engine_ctx *run)
{
    const size_t from = k - k % ENGINE_SIGHTS, left = BRANCHES - from;
    size_t ld;
    const float *logits = engine_logits(run, b->normed + from * b->model->config.d_model,
                                        left < ENGINE_SIGHTS ? left : ENGINE_SIGHTS, &ld);
    logits += (k - from) * ld;
    const double logprob =
        (double)logits[b->items[k].target] - logprob_log_sum_exp(logits, b->model->config.d_vocab);
    assert_true(fabs(b->logprob[k] - logprob) < MAX_NATS);
}

static void check_branches(const struct model *m, const struct kern *k, enum precision precision)
{
    static struct branched b;
    const size_t n_neurons = m->config.n_layers * m->config.d_mlp;
    double alone[BRANCHES];
    struct at_work w = start(m, k, precision);
    make_branches(&b, m);
    b.site = SITE_POST;
    run_branched(&b, w.run);
    engine_branches(w.run, b.items, BRANCHES, NULL, alone, NULL); // in larger blocks
    assert_memory_equal(alone, b.logprob, sizeof alone);
    for (size_t i = 0; i < BRANCHES; i++) {
        uint32_t ids[N_CTX + 1];
        const size_t n = whole_window(&b.items[i], ids);
        const struct engine_window window = {.first = ids[0], .tokens = ids + 1, .n = n};
        const struct engine_pick pick = {.window = &window, .at = n - 1};
        struct engine_sight sight;
        double logprob;
        engine_pick_exact(w.run, &pick, 1, &logprob, NULL);
        assert_true(logprob == b.logprob[i]);
        check_logits(&b, i, w.run);
        engine_look(w.run, &pick, 1, see_sight, &sight, NULL);
        assert_memory_equal(b.resid + i * m->config.d_model, sight.resid,
                            m->config.d_model * sizeof *b.resid);
        if (!m->config.attn_only) {
            assert_memory_equal(b.post + i * n_neurons, sight.post, n_neurons * sizeof *b.post);
            assert_memory_equal(b.acts + i * n_neurons, sight.post, n_neurons * sizeof *b.post);
        }
    }
    branched_end(&b);
    stop(&w);
}

static void branches_are_whole_windows_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *m = load("tests/golden/models", names[i]);
        for (size_t t = 0; kern_at(t); t++) {
            if (is_tried(kern_at(t))) {
                check_branches(m, kern_at(t), i % 2 ? PRECISION_FAST : PRECISION_EXACT);
            }
        }
        model_free(m);
    }
    // heads wider than a tile
    struct model *wide = synthetic_model(2, 144, 2, 64, 200, N_CTX, false, ACT_GELU, false);
    for (size_t t = 0; kern_at(t); t++) {
        if (is_tried(kern_at(t))) {
            check_branches(wide, kern_at(t), PRECISION_DEFAULT);
        }
    }
    synthetic_free(wide);
}

/* The longest stem of a model of many positions leaves room for one branch at a time. */
static void long_stems_are_run_for_each_branch(void **state)
{
    (void)state;
    enum { LONG = 1500 };
    static uint32_t tokens[LONG];
    struct engine_branch branches[5];
    double logprob[5], wanted[5], all[LONG];
    struct model *m = synthetic_model(1, 32, 2, 64, 100, LONG, false, ACT_GELU, false);
    struct at_work w = start(m, kern_best(), PRECISION_EXACT);
    for (size_t i = 0; i < LONG; i++) {
        tokens[i] = next_random(100);
    }
    const struct engine_window stem = {.first = 1, .tokens = tokens, .n = LONG - 2};
    for (size_t k = 0; k < 5; k++) {
        const uint32_t target = (uint32_t)k;
        struct engine_window whole = {.first = 1, .tokens = tokens, .n = LONG, .logprob = all};
        branches[k] = (struct engine_branch){
            .stem = &stem, .tokens = tokens + LONG - 2, .n = 1, .target = target};
        tokens[LONG - 1] = target;
        engine_score_exact(w.run, &whole, 1, NULL);
        wanted[k] = all[LONG - 1];
    }
    engine_branches(w.run, branches, 5, NULL, logprob, NULL);
    assert_memory_equal(logprob, wanted, sizeof wanted);
    stop(&w);
    synthetic_free(m);
}

// --- edits --------------------------------------------------------------------------------------

/* One neuron to 0, two of a layer, or one of the first and one of the last layer to some value;
 * without edits every fourth. */
static void make_edits(struct branched *b)
{
    const struct config *c = &b->model->config;
    for (size_t k = 0; k < BRANCHES; k++) {
        for (size_t i = 0; i < k % 4; i++) {
            b->edits[k][i] = (struct engine_edit){
                .layer = (uint32_t)((k / 4 + i * (k % 3)) % c->n_layers),
                .index = (uint32_t)((k * 7 + i) % c->d_mlp),
                .post = k % 4 == 1 ? 0 : (float)k / 20 - 2,
            };
        }
        b->items[k].edits = b->edits[k];
        b->items[k].n_edits = k % 4;
    }
}

/* The same by patch.h, at the last position. */
static void check_edited(struct branched *b, size_t k, struct patcher *p, float *logits)
{
    const struct config *c = &b->model->config;
    const struct engine_branch *branch = &b->items[k];
    uint32_t ids[N_CTX + 1];
    const size_t n = whole_window(branch, ids), n_neurons = c->n_layers * c->d_mlp;
    struct recording *recording;
    struct patch patches[3];
    assert_int_equal(recording_new(&recording, p, ids, n, NULL), 0);
    for (size_t i = 0; i < branch->n_edits; i++) {
        const struct engine_edit *e = &branch->edits[i];
        patches[i] = (struct patch){.kind = PATCH_POST,
                                    .layer = e->layer,
                                    .index = e->index,
                                    .position = n - 1,
                                    .values = &e->post};
        const size_t at = k * n_neurons + e->layer * c->d_mlp + e->index;
        const float own = recording->post[(e->layer * n + n - 1) * c->d_mlp + e->index];
        assert_true(b->post[at] == e->post);
        if (e->layer == 0) { // nothing came before it
            assert_true(fabsf(b->acts[at] - own) < 1e-4f * (1 + fabsf(own)));
        }
    }
    patch_run(p, recording, patches, branch->n_edits);
    patch_logits(p, logits);
    const double logprob = (double)logits[branch->target] - logprob_log_sum_exp(logits, c->d_vocab);
    const double error = fabs(b->logprob[k] - logprob) / (1 + fabs(logprob));
    if (!(error < MAX_NATS)) {
        fail_msg("%s, branch %zu: off by %g nats", b->model->name, k, error);
    }
    recording_free(recording);
}

static void edits_are_those_of_patches(void **state)
{
    (void)state;
    static struct branched b;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *m = load("tests/golden/models", names[i]);
        struct patcher *p;
        float *logits = malloc(m->config.d_vocab * sizeof *logits);
        assert_int_equal(patcher_new(&p, m, NULL), 0);
        for (size_t t = 0; kern_at(t) && !m->config.attn_only; t++) {
            if (!is_tried(kern_at(t))) {
                continue;
            }
            struct at_work w = start(m, kern_at(t), PRECISION_EXACT);
            make_branches(&b, m);
            make_edits(&b);
            b.site = SITE_POST;
            run_branched(&b, w.run);
            for (size_t k = 0; k < BRANCHES; k++) {
                check_edited(&b, k, p, logits);
            }
            branched_end(&b);
            stop(&w);
        }
        patcher_free(p);
        free(logits);
        model_free(m);
    }
}

// --- sites --------------------------------------------------------------------------------------

struct last_row {
    enum site site;
    float acts[8 * 512]; // [n_layers][d_mlp] of the last position
};

static void hook_last(void *context, size_t layer, enum site site, const float *acts, size_t n,
                      size_t d_mlp)
{
    struct last_row *row = context;
    assert_true((layer + 1) * d_mlp <= 8 * 512);
    if (site == row->site) {
        memcpy(row->acts + layer * d_mlp, acts + (n - 1) * d_mlp, d_mlp * sizeof *acts);
    }
}

static void check_site(const struct model *m, enum site site)
{
    static struct branched b;
    static struct last_row row;
    const size_t n_neurons = m->config.n_layers * m->config.d_mlp;
    const struct forward_hooks hooks = {.context = &row, .neurons = hook_last};
    struct at_work w = start(m, kern_best(), PRECISION_DEFAULT);
    struct forward *f;
    assert_int_equal(forward_new(&f, m, NULL), 0);
    make_branches(&b, m);
    b.site = row.site = site;
    run_branched(&b, w.run);
    for (size_t k = 0; k < BRANCHES; k += 3) {
        uint32_t ids[N_CTX + 1];
        float size = 1;
        forward_run(f, ids, whole_window(&b.items[k], ids), &hooks);
        for (size_t j = 0; j < n_neurons; j++) {
            size = fmaxf(size, fabsf(row.acts[j]));
        }
        for (size_t j = 0; j < n_neurons; j++) {
            assert_true(fabsf(b.acts[k * n_neurons + j] - row.acts[j]) < 2e-5f * size);
        }
    }
    branched_end(&b);
    forward_free(f);
    stop(&w);
}

static void leaves_are_seen_at_any_site(void **state)
{
    (void)state;
    static const enum site sites[] = {SITE_PRE, SITE_MID, SITE_POST};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *m = load("tests/golden/models", names[i]);
        for (size_t s = 0; s < 3; s++) {
            enum site site;
            if (!model_site(m, sites[s], &site, NULL)) {
                check_site(m, site);
            }
        }
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probs_are_those_of_transformer_lens),
        cmocka_unit_test(windows_of_any_length_are_as_the_reference),
        cmocka_unit_test(a_token_depends_on_its_window_alone),
        cmocka_unit_test(precisions_keep_their_promises),
        cmocka_unit_test(also_at_the_sizes_of_the_hub),
        cmocka_unit_test(watched_neurons_are_as_the_reference),
        cmocka_unit_test(watching_changes_no_log_prob),
        cmocka_unit_test(logits_are_those_of_the_log_probs),
        cmocka_unit_test(far_logits_are_right_too),
        cmocka_unit_test(branches_are_whole_windows_bit_for_bit),
        cmocka_unit_test(long_stems_are_run_for_each_branch),
        cmocka_unit_test(edits_are_those_of_patches),
        cmocka_unit_test(leaves_are_seen_at_any_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
