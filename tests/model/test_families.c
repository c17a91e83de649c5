/*
 * The families of the Hugging Face hub against TransformerLens and numpy in float64
 * (tests/golden/hf/README.md): 13 tiny models, through the reference pass, the engine with every
 * table of kernels that this CPU can run, changed models, edges and direct logit attribution.
 */
#include "tests/kit/engine_kit.h"
#include "tests/kit/golden_pass.h"
#include "tests/kit/hf_model.h"

#include "model/explain/attribution.h"
#include "model/explain/patch.h"

enum { MOST = 96 };

static void the_reference_pass_is_as_in_float64(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        char dir[256];
        snprintf(dir, sizeof dir, "tests/golden/hf/%s", hf_names[i]);
        golden_pass_check(hf_names[i], dir);
    }
}

/* A document of a golden file as a window. */
struct document {
    struct json_object *golden; // the document
    uint32_t ids[MOST];
    size_t n;
    double logprob[MOST];
    struct engine_window window;
};

static void take_document(struct document *d, struct json_object *golden, size_t i)
{
    d->golden = json_object_array_get_idx(json_member(golden, "documents"), i);
    struct json_object *ids = json_member(d->golden, "ids");
    d->n = json_object_array_length(ids);
    assert_in_range(d->n, 2, MOST);
    for (size_t k = 0; k < d->n; k++) {
        d->ids[k] = (uint32_t)golden_number(ids, k);
    }
    d->window = (struct engine_window){
        .first = d->ids[0], .tokens = d->ids + 1, .n = d->n - 1, .logprob = d->logprob};
}

// --- the engine ---------------------------------------------------------------------------------

static void the_engine_is_as_in_float64(void **state)
{
    (void)state;
    for (size_t t = 0; kern_at(t); t++) {
        double most[3] = {0};
        if (!engine_is_tried(kern_at(t))) {
            continue;
        }
        for (size_t i = 0; i < HF_NAMES; i++) {
            struct model *m = hf_model(hf_names[i]);
            struct json_object *golden = hf_golden(hf_names[i]);
            for (int p = 0; p < 3; p++) {
                struct engine_at_work w = engine_start(m, kern_at(t), (enum precision)p);
                double sum = 0;
                size_t n = 0;
                for (size_t k = 0; k < 3; k++) {
                    struct document d;
                    take_document(&d, golden, k);
                    engine_score(w.ctx, &d.window, 1, NULL);
                    for (size_t j = 0; j < d.window.n; j++, n++) {
                        const double error =
                            fabs(d.logprob[j] - golden_number(json_member(d.golden, "logprob"), j));
                        sum += error;
                        most[p] = fmax(most[p], error);
                        if (!(error < engine_promises[p].most)) {
                            fail_msg("%s, %s, precision %d: off by %g nats", kern_at(t)->name,
                                     hf_names[i], p, error);
                        }
                    }
                }
                assert_true(sum / (double)n < engine_promises[p].mean);
                engine_stop(&w);
            }
            json_object_put(golden);
            model_free(m);
        }
        printf("%s: largest errors %.1e, %.1e, %.1e nats\n", kern_at(t)->name, most[0], most[1],
               most[2]);
    }
}

// --- rows inside --------------------------------------------------------------------------------

/* Rows of one layer and site of a window, as a watch sees them. */
struct watched {
    enum row_site site;
    size_t layer, width, n;
    float *rows; // [MOST][width], width <= 256
};

static void see_rows(void *context, size_t layer, enum row_site site,
                     const struct engine_window *windows, size_t n_windows, const float *rows)
{
    struct watched *w = context;
    if (layer == w->layer && site == w->site) {
        assert_int_equal(n_windows, 1);
        w->n = windows->n + 1;
        memcpy(w->rows, rows, w->n * w->width * sizeof *rows);
    }
}

/* |x[n] - golden[n]| relative to the largest |golden|. */
static double distance(const float *x, size_t step, struct json_object *golden)
{
    double most = 0;
    for (size_t i = 0; i < json_object_array_length(golden); i++) {
        most = fmax(most, fabs((double)x[i * step] - golden_number(golden, i)));
    }
    return most / scale(golden);
}

static void expect_neurons(struct engine_at_work *w, const struct document *d, struct watched *seen)
{
    static const struct {
        const char *name;
        enum row_site site;
    } sites[] = {{"pre", ROW_PRE}, {"post", ROW_POST}};
    const struct engine_watch watch = {
        .sites = ROW_BIT(ROW_PRE) | ROW_BIT(ROW_POST), .rows = see_rows, .context = seen};
    assert_int_equal(engine_watch_sites(w->ctx, watch.sites, NULL), 0);
    seen->width = engine_model(w->engine)->config.d_mlp;
    json_object_object_foreach(json_member(d->golden, "neurons"), name, values)
    {
        size_t index;
        assert_int_equal(sscanf(name, "L%zuN%zu", &seen->layer, &index), 2);
        for (size_t k = 0; k < 2; k++) {
            seen->site = sites[k].site;
            engine_score_watched(w->ctx, &d->window, 1, &watch, NULL);
            assert_int_equal(seen->n, d->n);
            assert_true(distance(seen->rows + index, seen->width,
                                 json_member(values, sites[k].name)) < 2e-5);
        }
    }
}

/* The stream behind each layer, at the last position: what the next one reads. */
static void expect_resid(struct engine_at_work *w, const struct document *d, struct watched *seen)
{
    const struct config *c = &engine_model(w->engine)->config;
    struct json_object *layers = json_member(d->golden, "resid_post_last");
    const struct engine_watch watch = {.sites = ROW_BIT(ROW_RESID_PRE) | ROW_BIT(ROW_RESID_FINAL),
                                       .rows = see_rows,
                                       .context = seen};
    assert_int_equal(engine_watch_sites(w->ctx, watch.sites, NULL), 0);
    seen->width = c->d_model;
    for (size_t l = 0; l < c->n_layers; l++) {
        const bool last = l + 1 == c->n_layers;
        seen->site = last ? ROW_RESID_FINAL : ROW_RESID_PRE;
        seen->layer = last ? l : l + 1;
        engine_score_watched(w->ctx, &d->window, 1, &watch, NULL);
        assert_true(distance(seen->rows + (d->n - 1) * c->d_model, 1,
                             json_object_array_get_idx(layers, l)) < 2e-5);
    }
}

static void see_last_row(void *context, size_t layer, size_t head,
                         const struct engine_window *window, size_t i0, size_t n,
                         const float *pattern)
{
    struct watched *w = context;
    if (layer == w->layer / 64 && head == w->layer % 64 && i0 + n == window->n + 1) {
        memcpy(w->rows, pattern + (n - 1) * (i0 + n), (i0 + n) * sizeof *pattern);
        w->n = i0 + n;
    }
}

static void expect_patterns(struct engine_at_work *w, const struct document *d,
                            struct watched *seen)
{
    const struct engine_watch watch = {.pattern = see_last_row, .context = seen};
    json_object_object_foreach(json_member(d->golden, "pattern_last_row"), name, values)
    {
        size_t layer, head;
        assert_int_equal(sscanf(name, "L%zuH%zu", &layer, &head), 2);
        seen->layer = layer * 64 + head;
        engine_score_watched(w->ctx, &d->window, 1, &watch, NULL);
        assert_int_equal(seen->n, d->n);
        assert_true(distance(seen->rows, 1, values) < 2e-5);
    }
}

static void rows_inside_are_as_in_float64(void **state)
{
    (void)state;
    static float rows[MOST * 256];
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct engine_at_work w = engine_start(m, kern_best(), PRECISION_EXACT);
        struct watched seen = {.rows = rows};
        struct document d;
        take_document(&d, golden, 1);
        expect_neurons(&w, &d, &seen);
        expect_resid(&w, &d, &seen);
        expect_patterns(&w, &d, &seen);
        assert_int_equal(engine_watch_sites(w.ctx, ROW_BIT(ROW_RESID_MID), NULL),
                         m->config.parallel ? ERR_UNSUPPORTED : 0);
        engine_stop(&w);
        json_object_put(golden);
        model_free(m);
    }
}

// --- changed models -----------------------------------------------------------------------------

static struct engine_donor itself(void *context, const struct engine_window *window)
{
    (void)window;
    return *(const struct engine_donor *)context;
}

/* Scores the document in a model that is changed so; a donor is the document itself. */
static void score_changed(struct engine_at_work *a, struct document *d, const char *text)
{
    struct changes c;
    struct err err;
    if (changes_parse(&c, text, &engine_model(a->engine)->config, &err)) {
        fail_msg("%s", err.msg);
    }
    float *values = calloc(d->n * c.width, sizeof *values);
    assert_non_null(values);
    assert_int_equal(engine_change(a->ctx, &c, NULL), 0);
    engine_record(a->ctx, &d->window, 1, &c, values, NULL);
    struct engine_donor donor = {.values = values, .rows = d->n};
    const struct engine_replaced by = {.mean = values, .donor = itself, .context = &donor};
    engine_replace(a->ctx, &by);
    engine_score(a->ctx, &d->window, 1, NULL);
    engine_replace(a->ctx, NULL);
    free(values);
    changes_free(&c);
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] / (double)n;
    }
    return sum;
}

/* The same by the patcher, which minimal uses. */
static double patched_mean(struct patcher *p, const struct document *d, const char *name)
{
    struct patch patch = {.position = PATCH_ALL};
    double sum = 0;
    patch.kind =
        sscanf(name, "L%zuH%zu", &patch.layer, &patch.index) == 2 ? PATCH_Z : PATCH_MLP_OUT;
    for (size_t n = 1; n < d->n; n++) {
        float logits[256];
        struct recording *r = NULL;
        assert_int_equal(recording_new(&r, p, d->ids, n, NULL), 0);
        patch_run(p, r, &patch, 1);
        patch_logits(p, logits);
        sum += (double)logits[d->ids[n]] - logprob_log_sum_exp(logits, r->model->config.d_vocab);
        recording_free(r);
    }
    return sum / (double)(d->n - 1);
}

static void zero_ablation_is_as_in_float64(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct engine_at_work w = engine_start(m, kern_best(), PRECISION_EXACT);
        struct patcher *patcher = NULL;
        assert_int_equal(patcher_new(&patcher, m, NULL), 0);
        for (size_t k = 0; k < 3; k++) {
            struct document d;
            take_document(&d, golden, k);
            json_object_object_foreach(json_member(d.golden, "mean_logprob_zero_ablated"), name,
                                       value)
            {
                char text[64];
                const double wanted = json_object_get_double(value);
                snprintf(text, sizeof text, "zero.%s", name);
                score_changed(&w, &d, text);
                assert_true(fabs(mean_of(d.logprob, d.window.n) - wanted) < ENGINE_MAX_NATS);
                if (k == 2) {
                    assert_true(fabs(patched_mean(patcher, &d, name) - wanted) < ENGINE_MAX_NATS);
                }
            }
        }
        patcher_free(patcher);
        engine_stop(&w);
        json_object_put(golden);
        model_free(m);
    }
}

/* Appends an edge from a component of layer 0 to a reader. */
static void add_edge(char *text, size_t size, const char *verb, const char *what, const char *to)
{
    const size_t len = strlen(text);
    snprintf(text + len, size - len, "%s%s.%s-%s", len ? "," : "", verb, what, to);
}

/* A component of layer 0 that is replaced for each reader by itself is replaced for all. */
static void edges_together_are_the_component(void **state)
{
    (void)state;
    static const char *const from[] = {"L0H1", "L0MLP", "L0N3"};
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct engine_at_work w = engine_start(m, kern_best(), PRECISION_EXACT);
        for (size_t k = 0; k < 3; k++) {
            char edges[2048] = "", whole[32], to[32];
            double wanted[MOST];
            struct document d;
            take_document(&d, golden, 1);
            if (k == 0 && !m->config.parallel) {
                add_edge(edges, sizeof edges, "zero", from[k], "L0MLP");
            }
            for (size_t l = 1; l < m->config.n_layers; l++) {
                for (size_t r = 0; r < 4; r++) {
                    static const char *const readers[] = {"H*.q", "H*.k", "H*.v", "MLP"};
                    snprintf(to, sizeof to, "L%zu%s", l, readers[r]);
                    add_edge(edges, sizeof edges, "zero", from[k], to);
                }
            }
            add_edge(edges, sizeof edges, "zero", from[k], "logits");
            snprintf(whole, sizeof whole, "zero.%s", from[k]);
            score_changed(&w, &d, whole);
            memcpy(wanted, d.logprob, sizeof wanted);
            score_changed(&w, &d, edges);
            for (size_t j = 0; j < d.window.n; j++) {
                assert_true(fabs(d.logprob[j] - wanted[j]) < 5e-5);
            }
        }
        engine_stop(&w);
        json_object_put(golden);
        model_free(m);
    }
}

/* All of the stream, replaced by itself for one reader, changes nothing. */
static void a_stream_replaced_by_itself_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct engine_at_work w = engine_start(m, kern_best(), PRECISION_EXACT);
        struct document d;
        take_document(&d, golden, 1);
        score_changed(&w, &d,
                      "resample.*-L1H*.q,resample.*-L1H0.k,resample.*-L0H1.v,resample.*-L1MLP,"
                      "resample.*-logits");
        for (size_t j = 0; j < d.window.n; j++) {
            assert_true(fabs(d.logprob[j] - golden_number(json_member(d.golden, "logprob"), j)) <
                        ENGINE_MAX_NATS);
        }
        engine_stop(&w);
        json_object_put(golden);
        model_free(m);
    }
}

static void is_no_change(const struct model *m, const char *text, const char *why)
{
    struct changes c;
    struct err err = {0};
    assert_int_equal(changes_parse(&c, text, &m->config, &err), ERR_USAGE);
    if (!strstr(err.msg, why)) {
        fail_msg("%s", err.msg);
    }
}

static void edges_that_are_not_there_are_refused(void **state)
{
    (void)state;
    struct model *m = hf_model("pythia-a");
    is_no_change(m, "zero.L0H0-L0MLP", "before this is written");
    is_no_change(m, "zero.L0b_O-L0MLP", "before this is written");
    is_no_change(m, "zero.pos_embed-L0MLP", "which it turns");
    model_free(m);
    m = hf_model("neox-sequential");
    struct changes c;
    assert_int_equal(changes_parse(&c, "zero.L0H0-L0MLP", &m->config, NULL), 0);
    changes_free(&c);
    model_free(m);
}

// --- direct logit attribution -------------------------------------------------------------------

struct look {
    struct attributor *attributor;
    const struct engine_pick *picks;
    size_t n, d_vocab;
};

static void see_sights(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    const struct look *look = context;
    struct attribution out[ENGINE_SIGHTS];
    float components[ENGINE_SIGHTS][64];
    const struct engine_pick *picks = look->picks + k;
    for (size_t i = 0; i < n; i++) {
        out[i].components = components[i];
    }
    attribute(look->attributor, picks, sights, n, out);
    for (size_t i = 0; i < n; i++) {
        double sum = 0, mean = 0, size = 1;
        for (size_t j = 0; j < look->n; j++) {
            sum += (double)components[i][j];
            size += fabs((double)components[i][j]);
        }
        const uint32_t token = picks[i].window->tokens[picks[i].at];
        for (size_t j = 0; j < look->d_vocab; j++) {
            mean += (double)sights[i].logits[j] / (double)look->d_vocab;
        }
        assert_true(fabs(sum - (double)out[i].logit) < 2e-5 * size);
        assert_true(fabs(sum - ((double)sights[i].logits[token] - mean)) < 2e-5 * size);
    }
}

static void components_add_up_to_the_logit(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct engine_at_work w = engine_start(m, kern_best(), PRECISION_DEFAULT);
        struct document d;
        struct engine_pick picks[8];
        struct look look = {
            .picks = picks, .n = attribution_n_components(m), .d_vocab = m->config.d_vocab};
        char name[ATTRIBUTION_NAME];
        take_document(&d, golden, 1);
        assert_in_range(look.n, 1, 64);
        attribution_component_name(m, 1, name);
        assert_string_equal(name, m->config.rotary_dims ? "L0H0" : "pos_embed");
        for (size_t k = 0; k < 8; k++) {
            picks[k] = (struct engine_pick){.window = &d.window, .at = k * 4};
        }
        assert_int_equal(attributor_new(&look.attributor, w.engine, NULL), 0);
        engine_look(w.ctx, picks, 8, see_sights, &look, NULL);
        attributor_free(look.attributor);
        engine_stop(&w);
        json_object_put(golden);
        model_free(m);
    }
}

// --- requests give the same bits ----------------------------------------------------------------

/* Picks, rows and branches of a window: the bits of the window. */
static void picks_and_branches_are_the_windows(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct engine_at_work w = engine_start(m, kern_best(), PRECISION_EXACT);
        struct document d;
        struct engine_pick picks[3];
        double got[3];
        take_document(&d, golden, 1);
        engine_score(w.ctx, &d.window, 1, NULL);
        for (size_t k = 0; k < 3; k++) {
            picks[k] = (struct engine_pick){.window = &d.window, .at = 11 + 9 * k};
        }
        engine_pick_exact(w.ctx, picks, 3, got, NULL);
        for (size_t k = 0; k < 3; k++) {
            assert_true(got[k] == d.logprob[picks[k].at]);
        }
        const struct engine_window stem = {.first = d.ids[0], .tokens = d.ids + 1, .n = 14};
        struct engine_branch branches[2];
        for (size_t k = 0; k < 2; k++) {
            branches[k] = (struct engine_branch){
                .stem = &stem, .tokens = d.ids + 15, .n = 3 + k, .target = d.ids[18 + k]};
        }
        engine_branches(w.ctx, branches, 2, NULL, got, NULL);
        for (size_t k = 0; k < 2; k++) {
            assert_true(got[k] == d.logprob[17 + k]);
        }
        engine_stop(&w);
        json_object_put(golden);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_pass_is_as_in_float64),
        cmocka_unit_test(the_engine_is_as_in_float64),
        cmocka_unit_test(rows_inside_are_as_in_float64),
        cmocka_unit_test(zero_ablation_is_as_in_float64),
        cmocka_unit_test(edges_together_are_the_component),
        cmocka_unit_test(a_stream_replaced_by_itself_changes_nothing),
        cmocka_unit_test(edges_that_are_not_there_are_refused),
        cmocka_unit_test(components_add_up_to_the_logit),
        cmocka_unit_test(picks_and_branches_are_the_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
