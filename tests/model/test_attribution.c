/*
 * Direct logit attribution against TransformerLens in float64, and against plain sums in the test:
 * the components add up to the logit, the neurons to their MLP's component, for every kind of norm.
 */
#include "tests/kit/golden_model.h"

#include <math.h>

#include "model/explain/attribution.h"
#include "model/pass/engine.h"
#include "model/pass/forward.h"
#include "tests/kit/random.h"

#define MAX_GOLDEN 5e-6 // the largest error found is 1.2e-6
#define MAX_PLAIN 1e-5  // relative to the sizes of the terms

/* A model with an engine and an attribution. */
struct at_work {
    const struct model *model;
    struct engine *engine;
    struct engine_ctx *ctx;
    struct attributor *attributor;
};

static struct at_work start(const struct model *m, const struct kern *k)
{
    struct at_work w = {.model = m};
    assert_int_equal(engine_new(&w.engine, m, k, PRECISION_DEFAULT, NULL), 0);
    assert_int_equal(engine_ctx_new(&w.ctx, w.engine, NULL), 0);
    assert_int_equal(attributor_new(&w.attributor, w.engine, NULL), 0);
    return w;
}

static void stop(struct at_work *w)
{
    attributor_free(w->attributor);
    engine_ctx_free(w->ctx);
    engine_free(w->engine);
}

static size_t component_named(const struct model *m, const char *wanted)
{
    char name[ATTRIBUTION_NAME];
    for (size_t i = 0; i < attribution_n_components(m); i++) {
        attribution_component_name(m, i, name);
        if (strcmp(name, wanted) == 0) {
            return i;
        }
    }
    fail_msg("%s has no component %s", m->name, wanted);
    return 0;
}

// --- what is found of picks, kept ---------------------------------------------------------------

#define COMPONENTS_MAX 256
#define PICKS_MAX 100

struct found {
    struct attribution a;
    double logit; // minus the mean, from the logits themselves
    float components[COMPONENTS_MAX];
    float *effects, *post; // [n_layers][d_mlp]
    float *resid;          // [d_model]
};

struct look {
    struct at_work *work;
    const struct engine_pick *picks;
    size_t n;
    struct found found[PICKS_MAX];
};

static float *copy(const float *x, size_t n)
{
    float *y = malloc((n + 1) * sizeof *y);
    assert_non_null(y);
    if (n > 0) {
        memcpy(y, x, n * sizeof *y);
    }
    return y;
}

static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct look *look = context;
    const struct model *m = look->work->model;
    const struct config *c = &m->config;
    const size_t n_neurons = c->n_layers * c->d_mlp;
    struct attribution a[ENGINE_SIGHTS];
    assert_int_equal(k, look->n);
    assert_true(k + n <= PICKS_MAX && n <= ENGINE_SIGHTS &&
                attribution_n_components(m) <= COMPONENTS_MAX);
    for (size_t i = 0; i < n; i++) {
        a[i].components = look->found[k + i].components;
    }
    attribute(look->work->attributor, look->picks + k, sights, n, a);
    for (size_t i = 0; i < n; i++) {
        struct found *f = &look->found[look->n++];
        const struct engine_pick *pick = &look->picks[k + i];
        double sum = 0;
        for (size_t j = 0; j < c->d_vocab; j++) {
            sum += (double)sights[i].logits[j];
        }
        f->a = a[i];
        f->logit =
            (double)sights[i].logits[pick->window->tokens[pick->at]] - sum / (double)c->d_vocab;
        f->effects = copy(a[i].effects, n_neurons);
        f->post = copy(sights[i].post, n_neurons);
        f->resid = copy(sights[i].resid, c->d_model);
    }
}

/* Attributes picks[n] together; look_free() ends it. */
static struct look *look_at(struct at_work *w, const struct engine_pick *picks, size_t n)
{
    struct look *look = calloc(1, sizeof *look);
    assert_non_null(look);
    look->work = w;
    look->picks = picks;
    engine_look(w->ctx, picks, n, see, look, NULL);
    assert_int_equal(look->n, n);
    return look;
}

static void look_free(struct look *look)
{
    for (size_t k = 0; k < look->n; k++) {
        free(look->found[k].effects);
        free(look->found[k].post);
        free(look->found[k].resid);
    }
    free(look);
}

// --- TransformerLens ----------------------------------------------------------------------------

static void compare(double value, double wanted, const char *name, const char *what, double *most)
{
    const double error = fabs(value - wanted);
    if (!(error <= MAX_GOLDEN)) {
        fail_msg("%s, %s: %.7f, not %.7f", name, what, value, wanted);
    }
    *most = error > *most ? error : *most;
}

/* Checks that the list has the ten largest of the last layer. */
static void compare_neurons(const struct model *m, const float *effects, struct json_object *list,
                            double *most)
{
    const struct config *c = &m->config;
    bool listed[1024] = {false};
    double least = 0;
    assert_int_equal(json_object_array_length(list), 10);
    effects += (c->n_layers - 1) * c->d_mlp;
    for (size_t i = 0; i < 10; i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *name = json_object_get_string(json_object_array_get_idx(one, 0));
        size_t layer, index;
        assert_int_equal(sscanf(name, "L%zuN%zu", &layer, &index), 2);
        assert_int_equal(layer, c->n_layers - 1);
        assert_true(index < c->d_mlp && index < 1024);
        listed[index] = true;
        least = fabs(golden_number(one, 1));
        compare((double)effects[index], golden_number(one, 1), m->name, name, most);
    }
    for (size_t i = 0; i < c->d_mlp; i++) {
        assert_true(listed[i] || fabs((double)effects[i]) <= least + MAX_GOLDEN);
    }
}

static double check_golden(const struct model *m, const struct kern *k)
{
    char path[256], name[ATTRIBUTION_NAME];
    snprintf(path, sizeof path, "tests/golden/models/%s/circuits.json", m->name);
    struct json_object *circuits = golden_json(path);
    struct json_object *prompt = json_member(circuits, "prompt_a");
    struct json_object *golden = json_member(circuits, "attribution");
    struct json_object *parts = json_member(golden, "parts");
    uint32_t ids[97];
    const size_t n = json_object_array_length(prompt);
    assert_true(n >= 2 && n <= 96);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t)golden_number(prompt, i);
    }
    ids[n] = (uint32_t)json_object_get_int(json_member(golden, "token"));
    const struct engine_window window = {.first = ids[0], .tokens = ids + 1, .n = n};
    const struct engine_pick pick = {.window = &window, .at = n - 1};
    struct at_work w = start(m, k);
    struct look *look = look_at(&w, &pick, 1);
    const struct attribution *a = &look->found[0].a;
    double most = 0;
    compare((double)a->logit, json_object_get_double(json_member(golden, "logit_less_mean")),
            m->name, "logit_less_mean", &most);
    assert_int_equal(attribution_n_components(m), json_object_object_length(parts));
    for (size_t i = 0; i < attribution_n_components(m); i++) {
        attribution_component_name(m, i, name);
        assert_non_null(json_member(parts, name));
        compare((double)a->components[i], json_object_get_double(json_member(parts, name)), m->name,
                name, &most);
    }
    if (m->config.attn_only) {
        assert_int_equal(a->n_neurons, 0);
    } else {
        compare_neurons(m, look->found[0].effects, json_member(golden, "neurons_last_layer"),
                        &most);
    }
    look_free(look);
    stop(&w);
    json_object_put(circuits);
    return most;
}

static void attributions_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS; i++) {
        struct model *m = golden_model(golden_names[i]);
        for (size_t t = 0; kern_at(t); t++) {
            if (kern_runs(kern_at(t))) {
                const double error = check_golden(m, kern_at(t));
                most = error > most ? error : most;
            }
        }
        model_free(m);
    }
    printf("largest error %.1e\n", most);
}

// --- plain sums ---------------------------------------------------------------------------------

#define WINDOWS 4
#define LONGEST 96

struct windows {
    struct engine_window items[WINDOWS];
    uint32_t tokens[WINDOWS][LONGEST];
    struct engine_pick picks[PICKS_MAX];
    size_t n_picks;
};

/* The longest has more picks than one call shows, and not in order. */
static void make_windows(struct windows *w, const struct model *m)
{
    const size_t sizes[WINDOWS] = {1, 2, 37, LONGEST};
    const uint32_t d_vocab = (uint32_t)m->config.d_vocab;
    w->n_picks = 0;
    for (size_t k = 0; k < WINDOWS; k++) {
        for (size_t i = 0; i < sizes[k]; i++) {
            w->tokens[k][i] = next_random(d_vocab);
        }
        w->tokens[k][0] = k % 2 ? 0 : d_vocab - 1; // both ends
        w->items[k] = (struct engine_window){
            .first = next_random(d_vocab), .tokens = w->tokens[k], .n = sizes[k]};
        for (size_t i = 0; i < (sizes[k] < 37 ? sizes[k] : 37); i++) {
            w->picks[w->n_picks++] =
                (struct engine_pick){.window = &w->items[k], .at = (i * 29 + 95) % sizes[k]};
        }
    }
}

/* A token's direction in the last residual, by the formulas of attribution.h. */
static void plain_direction(const struct model *m, uint32_t token, const float *resid, double *v)
{
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    double mean = 0, mean_v = 0, square = 0;
    for (size_t l = 0; l < d; l++) {
        double sum = 0;
        for (size_t j = 0; j < c->d_vocab; j++) {
            sum += (double)m->W_U[l * c->d_vocab + j];
        }
        v[l] = (double)m->W_U[l * c->d_vocab + token] - sum / (double)c->d_vocab;
        v[l] *= m->ln_final_w ? (double)m->ln_final_w[l] : 1;
        mean_v += v[l] / (double)d;
        mean += (double)resid[l] / (double)d;
    }
    if (c->norm == NORM_NONE) {
        return;
    }
    if (c->final_rms) {
        mean = mean_v = 0;
    }
    for (size_t l = 0; l < d; l++) {
        square += ((double)resid[l] - mean) * ((double)resid[l] - mean) / (double)d;
    }
    for (size_t l = 0; l < d; l++) {
        v[l] = (v[l] - mean_v) / sqrt(square + (double)c->eps);
    }
}

static double plain_dot(const float *x, const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * v[i];
    }
    return sum;
}

static double worst; // the largest error of the sums below, relative to the sizes of their terms

static void assert_same(double value, double wanted, double size, const char *name,
                        const char *what)
{
    const double error = fabs(value - wanted) / size;
    if (!(error <= MAX_PLAIN)) {
        fail_msg("%s, %s: %.7f, not %.7f", name, what, value, wanted);
    }
    worst = error > worst ? error : worst;
}

static void check_neurons(const struct model *m, const struct found *f, const double *v)
{
    const struct config *c = &m->config;
    char name[ATTRIBUTION_NAME];
    for (size_t l = 0; l < c->n_layers; l++) {
        double sum = 0, size = 0;
        for (size_t k = 0; k < c->d_mlp; k++) {
            const double post = (double)f->post[l * c->d_mlp + k];
            const double wanted =
                post * plain_dot(m->layers[l].W_out + k * c->d_model, v, c->d_model);
            const double effect = (double)f->effects[l * c->d_mlp + k];
            assert_same(effect, wanted, 1 + fabs(post), m->name, "a neuron's effect");
            sum += effect;
            size += fabs(effect);
        }
        snprintf(name, sizeof name, "L%zuMLP", l);
        assert_same((double)f->components[component_named(m, name)],
                    sum + plain_dot(m->layers[l].b_out, v, c->d_model), 1 + size, m->name, name);
    }
}

/* Checks that the list is what sorting all values gives. */
static void check_list(const struct model *m, const struct found *f)
{
    const struct attribution *a = &f->a;
    const size_t n = m->config.n_layers * m->config.d_mlp;
    assert_int_equal(a->n_neurons, n < ATTRIBUTION_NEURONS ? n : ATTRIBUTION_NEURONS);
    for (size_t i = 0; i < a->n_neurons; i++) {
        const size_t at = a->neurons[i].layer * m->config.d_mlp + a->neurons[i].index;
        const float size = fabsf(f->effects[at]);
        size_t larger = 0;
        assert_true(a->neurons[i].effect == f->effects[at]);
        for (size_t k = 0; k < n; k++) {
            larger += fabsf(f->effects[k]) > size || (fabsf(f->effects[k]) == size && k < at);
        }
        assert_int_equal(larger, i);
    }
}

static void check_found(const struct model *m, const struct engine_pick *pick,
                        const struct found *f)
{
    const struct config *c = &m->config;
    const uint32_t token = pick->window->tokens[pick->at];
    const uint32_t id = pick->at ? pick->window->tokens[pick->at - 1] : pick->window->first;
    double v[64], sum = 0, size = 1;
    assert_true(c->d_model <= 64);
    plain_direction(m, token, f->resid, v);
    for (size_t i = 0; i < attribution_n_components(m); i++) {
        sum += (double)f->components[i];
        size += fabs((double)f->components[i]);
    }
    assert_same((double)f->a.logit, f->logit, size, m->name, "logit");
    assert_same(sum, f->logit, size, m->name, "sum of components");
    assert_same((double)f->components[component_named(m, "embed")],
                plain_dot(m->W_E + id * c->d_model, v, c->d_model), size, m->name, "embed");
    if (!c->shortformer) {
        assert_same((double)f->components[component_named(m, "pos_embed")],
                    plain_dot(m->W_pos + pick->at * c->d_model, v, c->d_model), size, m->name,
                    "pos_embed");
    }
    for (size_t l = 0; l < c->n_layers; l++) {
        char name[ATTRIBUTION_NAME];
        snprintf(name, sizeof name, "L%zub_O", l);
        assert_same((double)f->components[component_named(m, name)],
                    plain_dot(m->layers[l].b_O, v, c->d_model), size, m->name, name);
    }
    if (!c->attn_only) {
        check_neurons(m, f, v);
    }
    check_list(m, f);
}

static void components_make_the_logit_whatever_the_norm(void **state)
{
    (void)state;
    static struct windows windows;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        struct at_work w = start(m, kern_best());
        make_windows(&windows, m);
        struct look *look = look_at(&w, windows.picks, windows.n_picks);
        for (size_t k = 0; k < look->n; k++) {
            check_found(m, &windows.picks[k], &look->found[k]);
        }
        look_free(look);
        stop(&w);
        model_free(m);
    }
    printf("largest error %.1e of what is summed\n", worst);
}

// --- what is shown from inside ------------------------------------------------------------------

struct hooked {
    float post[8 * 512]; // [n_layers][d_mlp] of the last position
};

static void hook(void *context, size_t layer, enum site site, const float *acts, size_t n,
                 size_t d_mlp)
{
    struct hooked *h = context;
    assert_true((layer + 1) * d_mlp <= 8 * 512);
    if (site == SITE_POST) {
        memcpy(h->post + layer * d_mlp, acts + (n - 1) * d_mlp, d_mlp * sizeof *acts);
    }
}

/* Within 1e-5 of the largest, or of 1. */
static void check_close(const struct model *m, const float *x, const float *wanted, size_t n,
                        const char *what)
{
    float size = 1;
    for (size_t i = 0; i < n; i++) {
        size = fmaxf(size, fabsf(wanted[i]));
    }
    for (size_t i = 0; i < n; i++) {
        assert_same((double)x[i], (double)wanted[i], (double)size, m->name, what);
    }
}

static void sights_are_those_of_the_reference(void **state)
{
    (void)state;
    static struct windows windows;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        const struct config *c = &m->config;
        struct at_work w = start(m, kern_best());
        struct forward *f;
        assert_int_equal(forward_new(&f, m, NULL), 0);
        make_windows(&windows, m);
        struct look *look = look_at(&w, windows.picks, windows.n_picks);
        for (size_t k = 0; k < look->n; k++) {
            const struct engine_pick *pick = &windows.picks[k];
            struct hooked hooked;
            const struct forward_hooks hooks = {.context = &hooked, .neurons = hook};
            uint32_t ids[LONGEST];
            ids[0] = pick->window->first;
            memcpy(ids + 1, pick->window->tokens, pick->at * sizeof *ids);
            forward_run(f, ids, pick->at + 1, &hooks);
            check_close(m, look->found[k].post, hooked.post, c->n_layers * c->d_mlp, "post");
            check_close(m, look->found[k].resid, forward_resid_final(f) + pick->at * c->d_model,
                        c->d_model, "resid");
        }
        look_free(look);
        forward_free(f);
        stop(&w);
        model_free(m);
    }
}

static void a_pick_is_attributed_alike_in_any_company(void **state)
{
    (void)state;
    static struct windows windows;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        make_windows(&windows, m);
        for (size_t t = 0; kern_at(t); t++) {
            if (!kern_runs(kern_at(t))) {
                continue;
            }
            struct at_work w = start(m, kern_at(t));
            struct look *all = look_at(&w, windows.picks, windows.n_picks);
            for (size_t k = windows.n_picks; k-- > 0;) {
                struct look *one = look_at(&w, &windows.picks[k], 1);
                const struct found *x = &all->found[k], *y = &one->found[0];
                assert_memory_equal(x->components, y->components,
                                    attribution_n_components(m) * sizeof(float));
                assert_memory_equal(x->effects, y->effects,
                                    m->config.n_layers * m->config.d_mlp * sizeof(float));
                assert_true(x->a.logit == y->a.logit && x->a.n_neurons == y->a.n_neurons);
                assert_memory_equal(x->a.neurons, y->a.neurons,
                                    x->a.n_neurons * sizeof *x->a.neurons);
                look_free(one);
            }
            look_free(all);
            stop(&w);
        }
        model_free(m);
    }
}

// --- of all neurons -----------------------------------------------------------------------------

/* The error is relative to the sizes of the factors; p weighs tokens unevenly. */
static void check_direct(struct at_work *w, const struct engine_pick *pick, const struct found *f)
{
    const struct config *c = &w->model->config;
    const uint32_t token = pick->window->tokens[pick->at];
    static float p[1024], direct[8 * 512], against[8 * 512];
    double v[64];
    float sum = 0;
    assert_true(c->d_vocab <= 1024 && c->n_layers * c->d_mlp <= 8 * 512 && c->d_model <= 64);
    for (size_t t = 0; t < c->d_vocab; t++) {
        p[t] = (float)(t % 7);
        sum += p[t];
    }
    for (size_t l = 0; l < c->d_model; l++) {
        double mean = 0;
        for (size_t t = 0; t < c->d_vocab; t++) {
            mean += (double)p[t] / (double)sum * (double)w->model->W_U[l * c->d_vocab + t];
        }
        v[l] = (double)w->model->W_U[l * c->d_vocab + token] - mean;
        v[l] *= w->model->ln_final_w ? (double)w->model->ln_final_w[l] : 1;
    }
    double centre = 0;
    for (size_t l = 0; l < c->d_model && c->norm != NORM_NONE && !c->final_rms; l++) {
        centre += v[l] / (double)c->d_model;
    }
    for (size_t l = 0; l < c->d_model; l++) {
        v[l] -= centre;
    }
    for (size_t t = 0; t < c->d_vocab; t++) {
        p[t] /= sum;
    }
    const double scale = attribution_scale(w->model, f->resid);
    attribution_direct(w->attributor, token, NULL, direct);
    attribution_direct(w->attributor, token, p, against);
    for (size_t i = 0; i < c->n_layers * c->d_mlp; i++) {
        const float *W_out = w->model->layers[i / c->d_mlp].W_out + i % c->d_mlp * c->d_model;
        const double post = (double)f->post[i];
        assert_same((double)direct[i] * scale * post, (double)f->effects[i], 1 + fabs(post),
                    w->model->name, "direct, times scale and post");
        assert_same((double)against[i], plain_dot(W_out, v, c->d_model), 1, w->model->name,
                    "direct against a distribution");
    }
}

static void neurons_directly_do_what_is_attributed_to_them(void **state)
{
    (void)state;
    static struct windows windows;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        struct at_work w = start(m, kern_best());
        make_windows(&windows, m);
        struct look *look = look_at(&w, windows.picks, windows.n_picks);
        for (size_t k = 0; k < look->n && !m->config.attn_only; k += 5) {
            check_direct(&w, &windows.picks[k], &look->found[k]);
        }
        look_free(look);
        stop(&w);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributions_are_those_of_transformer_lens),
        cmocka_unit_test(components_make_the_logit_whatever_the_norm),
        cmocka_unit_test(sights_are_those_of_the_reference),
        cmocka_unit_test(a_pick_is_attributed_alike_in_any_company),
        cmocka_unit_test(neurons_directly_do_what_is_attributed_to_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
