/*
 * Changed models: what their specs say, zero, mean and resample ablation against TransformerLens,
 * and edges against the formulas
 */
#include "tests/kit/engine_kit.h"

#include <math.h>

enum { DOCUMENTS = 4, N_MOST = 64 };

/* The documents of a golden file as windows, their unchanged log-probs' room, and what the unchanged
 * model has at all of their positions. */
struct documents {
    struct engine_window items[DOCUMENTS];
    uint32_t ids[DOCUMENTS][N_MOST];
    double logprob[DOCUMENTS][N_MOST];
    size_t n_rows;
};

static void read_documents(struct documents *d, struct json_object *golden)
{
    struct json_object *all = json_object_object_get(golden, "documents");
    d->n_rows = 0;
    for (size_t k = 0; k < DOCUMENTS; k++) {
        struct json_object *ids = json_object_array_get_idx(all, k);
        const size_t n = json_object_array_length(ids);
        assert_in_range(n, 2, N_MOST);
        for (size_t i = 0; i < n; i++) {
            d->ids[k][i] = (uint32_t)golden_number(ids, i);
        }
        d->items[k] = (struct engine_window){
            .first = d->ids[k][0], .tokens = d->ids[k] + 1, .n = n - 1, .logprob = d->logprob[k]};
        d->n_rows += n;
    }
}

/* What replaces values: means over all rows, and each document's donor. */
struct made {
    float *values, *mean;
    struct engine_donor donors[DOCUMENTS];
    const struct engine_window *windows;
    struct engine_replaced by;
};

static struct engine_donor donor_of(void *context, const struct engine_window *window)
{
    const struct made *m = context;
    assert_in_range(window - m->windows, 0, DOCUMENTS - 1);
    return m->donors[window - m->windows];
}

static void make_replaced(struct made *m, struct engine_ctx *ctx, const struct documents *d,
                          const struct changes *c, struct json_object *donor)
{
    size_t begin[DOCUMENTS] = {0};
    m->values = calloc(d->n_rows * c->width, sizeof *m->values);
    m->mean = calloc(c->width, sizeof *m->mean);
    assert_true(m->values && m->mean);
    engine_record(ctx, d->items, DOCUMENTS, c, m->values, NULL);
    for (size_t j = 0; j < c->width; j++) {
        double sum = 0;
        for (size_t i = 0; i < d->n_rows; i++) {
            sum += (double)m->values[i * c->width + j];
        }
        m->mean[j] = (float)(sum / (double)d->n_rows);
    }
    for (size_t k = 1; k < DOCUMENTS; k++) {
        begin[k] = begin[k - 1] + d->items[k - 1].n + 1;
    }
    for (size_t k = 0; k < DOCUMENTS; k++) {
        const size_t from = donor ? (size_t)golden_number(donor, k) : (k + 1) % DOCUMENTS;
        m->donors[k] = (struct engine_donor){.values = m->values + begin[from] * c->width,
                                             .rows = d->items[from].n + 1};
    }
    m->windows = d->items;
    m->by = (struct engine_replaced){.mean = m->mean, .donor = donor_of, .context = m};
}

static void made_end(struct made *m)
{
    free(m->values);
    free(m->mean);
}

/* Picks of a changed model are those of its windows, bit for bit. */
static void expect_same_picks(struct engine_ctx *ctx, const struct documents *d)
{
    struct engine_pick picks[3 * DOCUMENTS];
    double exact[3 * DOCUMENTS];
    for (size_t i = 0; i < 3 * DOCUMENTS; i++) {
        const struct engine_window *w = &d->items[i / 3];
        picks[i] = (struct engine_pick){.window = w, .at = (i * 5) % w->n};
    }
    engine_pick_exact(ctx, picks, 3 * DOCUMENTS, exact, NULL);
    for (size_t i = 0; i < 3 * DOCUMENTS; i++) {
        assert_true(exact[i] == picks[i].window->logprob[picks[i].at]);
    }
}

/* Scores the documents in a model that is changed so. */
static void score_changed(struct engine_at_work *a, struct documents *d, const char *text,
                          struct json_object *donor)
{
    struct changes c;
    struct made made;
    struct err err;
    if (changes_parse(&c, text, &engine_model(a->engine)->config, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(engine_change(a->ctx, &c, NULL), 0);
    make_replaced(&made, a->ctx, d, &c, donor);
    engine_replace(a->ctx, &made.by);
    engine_score(a->ctx, d->items, DOCUMENTS, NULL);
    expect_same_picks(a->ctx, d);
    engine_replace(a->ctx, NULL);
    made_end(&made);
    changes_free(&c);
}

/* The largest difference of a document's mean log-prob, and of those of document 3. */
static double off_by(const struct documents *d, struct json_object *wanted)
{
    struct json_object *mean = json_object_object_get(wanted, "mean");
    struct json_object *each = json_object_object_get(wanted, "per_token_doc3");
    double most = 0;
    for (size_t k = 0; k < DOCUMENTS; k++) {
        double sum = 0;
        for (size_t i = 0; i < d->items[k].n; i++) {
            sum += d->logprob[k][i];
        }
        most = fmax(most, fabs(sum / (double)d->items[k].n - golden_number(mean, k)));
    }
    for (size_t i = 0; each && i < d->items[3].n; i++) {
        most = fmax(most, fabs(d->logprob[3][i] - golden_number(each, i)));
    }
    return most;
}

static double check_ablations(const char *name, const struct kern *kern)
{
    static struct documents d;
    char path[256], text[64];
    struct model *m = golden_model(name);
    snprintf(path, sizeof path, "tests/golden/models/%s/ablation.json", name);
    struct json_object *golden = golden_json(path);
    struct json_object *donor = json_object_object_get(golden, "donor");
    struct engine_at_work a = engine_start(m, kern, PRECISION_EXACT);
    double most = 0;
    read_documents(&d, golden);
    json_object_object_foreach(json_object_object_get(golden, "components"), component, kinds)
    {
        json_object_object_foreach(kinds, kind, wanted)
        {
            snprintf(text, sizeof text, "%s.%s", kind, component);
            score_changed(&a, &d, text, donor);
            const double off = off_by(&d, wanted);
            if (!(off < 1e-4)) {
                fail_msg("%s, %s, %s: %g nats off", kern->name, name, text, off);
            }
            most = fmax(most, off);
        }
    }
    engine_score(a.ctx, d.items, DOCUMENTS, NULL); // the model itself is as it was
    most = fmax(most, off_by(&d, json_object_object_get(golden, "baseline")));
    assert_true(most < 1e-4);
    engine_stop(&a);
    json_object_put(golden);
    model_free(m);
    return most;
}

static void ablations_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        for (size_t t = 0; kern_at(t); t++) {
            if (engine_is_tried(kern_at(t)) && (i < 5 || kern_at(t) == kern_best())) {
                most = fmax(most, check_ablations(golden_names[i], kern_at(t)));
            }
        }
    }
    printf("at most %.1e nats off\n", most);
}

/* A shorter donor is one as long as the window that takes from it, of its rows 0, 1, 2, ... m - 1,
 * 1, 2, ... */
static void a_shorter_donor_begins_again_behind_its_first_row(void **state)
{
    (void)state;
    static struct documents d;
    struct model *m = golden_model("gelu-2l");
    struct json_object *golden = golden_json("tests/golden/models/gelu-2l/ablation.json");
    struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
    struct changes c;
    struct made made;
    double wanted[N_MOST];
    read_documents(&d, golden);
    assert_int_equal(changes_parse(&c, "resample.L0H1,resample.L0MLP-L1H0.k", &m->config, NULL), 0);
    assert_int_equal(engine_change(a.ctx, &c, NULL), 0);
    make_replaced(&made, a.ctx, &d, &c, NULL);
    made.donors[0].values = made.values + (d.n_rows - 20) * c.width; // document 3, of 20 ids
    made.donors[0].rows = 20;
    engine_replace(a.ctx, &made.by);
    engine_score(a.ctx, d.items, 1, NULL);
    memcpy(wanted, d.logprob[0], sizeof wanted);

    const size_t n = d.items[0].n + 1;
    float *spread = malloc(n * c.width * sizeof *spread);
    assert_non_null(spread);
    for (size_t p = 0, from = 0; p < n; p++, from = from == 19 ? 1 : from + 1) {
        memcpy(spread + p * c.width, made.donors[0].values + from * c.width,
               c.width * sizeof *spread);
    }
    made.donors[0] = (struct engine_donor){.values = spread, .rows = n};
    engine_score(a.ctx, d.items, 1, NULL);
    assert_memory_equal(wanted, d.logprob[0], d.items[0].n * sizeof *wanted);
    free(spread);
    made_end(&made);
    changes_free(&c);
    engine_stop(&a);
    json_object_put(golden);
    model_free(m);
}

static void changes_begin_behind_the_last_at(void **state)
{
    (void)state;
    static const char *const none[] = {
        "a", "a@b", "@", "a@zero", "a@zeros.L0H1", "a@mean/zero.x", "d@zero.x/y@z"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_null(changes_find(none[i]));
    }
    assert_string_equal(changes_find("a@zero.L0H1"), "zero.L0H1");
    assert_string_equal(changes_find("n=d@1/m@mean.L0MLP,zero.L0H0"), "mean.L0MLP,zero.L0H0");
    assert_string_equal(changes_find("@resample."), "resample.");
}

static void wildcards_are_spelt_out(void **state)
{
    (void)state;
    const struct config config = {
        .n_layers = 2, .d_model = 8, .n_heads = 3, .d_head = 2, .d_mlp = 5};
    struct changes c;
    assert_int_equal(changes_parse(&c,
                                   "zero.L1H*,mean.L0N*,resample.*-L1H2.q,zero.L0H1-L1H2.k,"
                                   "zero.pos_embed-L1H2.k",
                                   &config, NULL),
                     0);
    assert_int_equal(c.n, 3 + 5 + 3);
    assert_int_equal(c.width, 3 * 2 + 5 + 8 + 2 + 8);
    assert_int_equal(c.n_points, 2);
    assert_true(c.has[CHANGE_ZERO] && c.has[CHANGE_MEAN] && c.has[CHANGE_RESAMPLE]);
    for (size_t i = 0, at = 0; i < c.n; i++) {
        assert_int_equal(c.items[i].at, at);
        at += c.items[i].width;
    }
    assert_int_equal(c.items[2].index, 2);
    assert_int_equal(c.items[7].index, 4);
    assert_int_equal(c.items[9].point, c.items[10].point);
    changes_free(&c);
}

// --- edges --------------------------------------------------------------------------------------

/* Appends ",VERB.WHAT-READER" for all that read what is written by a head or an MLP of a layer. */
static void all_edges(char *text, size_t size, const struct config *c, const char *verb,
                      const char *what, size_t layer, bool is_head)
{
    size_t at = 0;
    for (size_t l = layer; l < c->n_layers; l++) {
        for (const char *q = "qkv"; *q && l > layer; q++) {
            at += (size_t)snprintf(text + at, size - at, "%s.%s-L%zuH*.%c,", verb, what, l, *q);
        }
        if (!c->attn_only && (l > layer || is_head)) {
            at += (size_t)snprintf(text + at, size - at, "%s.%s-L%zuMLP,", verb, what, l);
        }
    }
    snprintf(text + at, size - at, "%s.%s-logits", verb, what);
}

static void all_edges_of_a_component_are_the_component(void **state)
{
    (void)state;
    static struct documents whole, edges;
    static const char *const verbs[] = {"zero", "mean", "resample"};
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        char path[256], text[4096], component[32];
        struct model *m = golden_model(golden_names[i]);
        const struct config *c = &m->config;
        snprintf(path, sizeof path, "tests/golden/models/%s/ablation.json", golden_names[i]);
        struct json_object *golden = golden_json(path);
        struct engine_at_work a = engine_start(m, kern_best(), PRECISION_EXACT);
        read_documents(&whole, golden);
        read_documents(&edges, golden);
        for (size_t v = 0; v < 3; v++) {
            for (size_t k = 0; k < 2; k++) { // a head of the first layer, its MLP
                if (k && c->attn_only) {
                    continue;
                }
                snprintf(component, sizeof component, k ? "L0MLP" : "L0H%zu", c->n_heads - 1);
                snprintf(text, sizeof text, "%s.%s", verbs[v], component);
                score_changed(&a, &whole, text, NULL);
                all_edges(text, sizeof text, c, verbs[v], component, 0, k == 0);
                score_changed(&a, &edges, text, NULL);
                for (size_t d = 0; d < DOCUMENTS; d++) {
                    for (size_t t = 0; t < whole.items[d].n; t++) {
                        assert_true(fabs(whole.logprob[d][t] - edges.logprob[d][t]) < 2e-5);
                    }
                }
            }
        }
        engine_stop(&a);
        json_object_put(golden);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_begin_behind_the_last_at),
        cmocka_unit_test(wildcards_are_spelt_out),
        cmocka_unit_test(a_shorter_donor_begins_again_behind_its_first_row),
        cmocka_unit_test(all_edges_of_a_component_are_the_component),
        cmocka_unit_test(ablations_are_those_of_transformer_lens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
