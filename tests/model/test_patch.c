/*
 * Patching against TransformerLens in float64, against models whose weights were zeroed by hand,
 * and against whole passes that leave nothing out: every kind of norm, of positions and of
 * activation.
 */
#include "tests/kit/golden_model.h"

#include <math.h>
#include <stdbool.h>

#include "model/explain/patch.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/kit/random.h"

#define MAX_GOLDEN 5e-6 // of a logit difference (reached: 2.6e-6), of a mean log-prob (6.6e-7)
#define MAX_ZEROED 1e-5 // of a logit, relative to the largest; reached: 1.8e-6

#define IDS_MAX 96
#define VOCAB_MAX 1024

/* Two windows of a model, recorded. */
struct pair {
    struct model *model;
    struct patcher *patcher;
    uint32_t ids[2][IDS_MAX];
    size_t n;
    struct recording *recordings[2];
};

static void record(struct pair *p)
{
    assert_true(p->model->config.d_vocab <= VOCAB_MAX);
    assert_int_equal(patcher_new(&p->patcher, p->model, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(recording_new(&p->recordings[i], p->patcher, p->ids[i], p->n, NULL), 0);
    }
}

static void pair_free(struct pair *p)
{
    recording_free(p->recordings[0]);
    recording_free(p->recordings[1]);
    patcher_free(p->patcher);
    model_free(p->model);
}

/* Makes two windows of n random ids that are equal before 'from'. */
static struct pair random_pair(const char *name, size_t n, size_t from)
{
    struct pair p = {.model = golden_model(name), .n = n};
    for (size_t i = 0; i < n; i++) {
        p.ids[0][i] = next_random((uint32_t)p.model->config.d_vocab);
        p.ids[1][i] = i < from ? p.ids[0][i] : next_random((uint32_t)p.model->config.d_vocab);
    }
    record(&p);
    return p;
}

static void assert_same_bits(const float *x, const float *wanted, size_t n, const char *name,
                             const char *what)
{
    for (size_t i = 0; i < n; i++) {
        if (x[i] != wanted[i]) {
            fail_msg("%s, %s: %zu: %.9g, not %.9g", name, what, i, (double)x[i], (double)wanted[i]);
        }
    }
}

// --- TransformerLens ----------------------------------------------------------------------------

static double compare(double value, double wanted, const char *name, const char *what)
{
    const double error = fabs(value - wanted);
    if (!(error <= MAX_GOLDEN)) {
        fail_msg("%s, %s: %.7f, not %.7f", name, what, value, wanted);
    }
    return error;
}

/* Patches "L0H3" or "L0MLP" with another window's values, or with zero if that is NULL. */
static struct patch component(const struct recording *from, const char *name)
{
    size_t layer, head;
    const bool is_head = sscanf(name, "L%zuH%zu", &layer, &head) == 2;
    assert_true(is_head || sscanf(name, "L%zuMLP", &layer) == 1);
    const enum patch_kind kind = is_head ? PATCH_Z : PATCH_MLP_OUT;
    return from ? patch_from(from, kind, layer, is_head ? head : 0)
                : (struct patch){.kind = kind,
                                 .layer = layer,
                                 .index = is_head ? head : 0,
                                 .position = PATCH_ALL};
}

static double difference(struct patcher *p, const uint32_t answers[2])
{
    float logits[2];
    patch_token_logits(p, answers, 2, logits);
    return (double)logits[0] - (double)logits[1];
}

static double check_circuits(const char *name)
{
    struct pair p = {.model = golden_model(name)};
    char path[256];
    snprintf(path, sizeof path, "tests/golden/models/%s/circuits.json", name);
    struct json_object *circuits = golden_json(path);
    struct json_object *prompts[] = {json_member(circuits, "prompt_a"),
                                     json_member(circuits, "prompt_b")};
    struct json_object *wanted = json_member(circuits, "logit_difference");
    struct json_object *answers = json_member(circuits, "answers");
    const uint32_t tokens[2] = {(uint32_t)golden_number(answers, 0),
                                (uint32_t)golden_number(answers, 1)};
    p.n = json_object_array_length(prompts[0]);
    assert_true(p.n > 1 && p.n <= IDS_MAX);
    for (size_t i = 0; i < 2 * p.n; i++) {
        p.ids[i / p.n][i % p.n] = (uint32_t)golden_number(prompts[i / p.n], i % p.n);
    }
    record(&p);
    double most = 0;
    for (size_t i = 0; i < 2; i++) {
        patch_run(p.patcher, p.recordings[i], NULL, 0);
        most = fmax(most, compare(difference(p.patcher, tokens),
                                  json_object_get_double(json_member(wanted, i ? "b" : "a")), name,
                                  i ? "b" : "a"));
    }
    size_t n = 0;
    json_object_object_foreach(json_member(circuits, "patched"), what, value)
    {
        const struct patch patch = component(p.recordings[0], what);
        patch_run(p.patcher, p.recordings[1], &patch, 1);
        most = fmax(most, compare(difference(p.patcher, tokens), json_object_get_double(value),
                                  name, what));
        n++;
    }
    const struct config *c = &p.model->config;
    assert_int_equal(n, c->n_layers * (c->n_heads + !c->attn_only));
    json_object_put(circuits);
    pair_free(&p);
    return most;
}

static void patched_differences_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS; i++) {
        most = fmax(most, check_circuits(golden_names[i]));
    }
    printf("largest error of a logit difference %.1e\n", most);
}

/* The mean of the log-probs of all tokens, each from a pass of its own, which gives the last. */
static double mean_logprob(struct patcher *p, const uint32_t *ids, size_t n,
                           const struct patch *patch)
{
    double sum = 0;
    for (size_t k = 1; k < n; k++) {
        struct recording *r;
        float logits[VOCAB_MAX];
        assert_int_equal(recording_new(&r, p, ids, k, NULL), 0);
        patch_run(p, r, patch, 1);
        patch_logits(p, logits);
        sum += (double)logits[ids[k]] - logprob_log_sum_exp(logits, r->model->config.d_vocab);
        recording_free(r);
    }
    return sum / (double)(n - 1);
}

static void zeroed_components_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        struct patcher *p;
        assert_int_equal(patcher_new(&p, m, NULL), 0);
        char path[256];
        snprintf(path, sizeof path, "tests/golden/models/%s/golden.json", golden_names[i]);
        struct json_object *golden = golden_json(path);
        struct json_object *doc = json_object_array_get_idx(json_member(golden, "documents"), 1);
        struct json_object *list = json_member(doc, "ids");
        uint32_t ids[IDS_MAX];
        const size_t n = json_object_array_length(list);
        assert_true(n == 37);
        for (size_t k = 0; k < n; k++) {
            ids[k] = (uint32_t)golden_number(list, k);
        }
        json_object_object_foreach(json_member(doc, "mean_logprob_zero_ablated"), what, value)
        {
            const struct patch patch = component(NULL, what);
            most = fmax(most, compare(mean_logprob(p, ids, n, &patch),
                                      json_object_get_double(value), golden_names[i], what));
        }
        json_object_put(golden);
        patcher_free(p);
        model_free(m);
    }
    printf("largest error of a mean log-prob %.1e\n", most);
}

// --- the other window ---------------------------------------------------------------------------

static void everything_patched_is_the_other_window(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct pair p = random_pair(golden_names[i], 23, 5);
        const struct config *c = &p.model->config;
        for (size_t into = 0; into < 2; into++) {
            const struct recording *other = p.recordings[!into];
            float logits[VOCAB_MAX];
            for (size_t l = 0; l < c->n_layers; l++) { // everything before it, and everything after
                struct patch patches[64] = {patch_from(other, PATCH_RESID_PRE, l, 0)};
                patch_run(p.patcher, p.recordings[into], patches, 1);
                patch_logits(p.patcher, logits);
                assert_same_bits(logits, other->logits, c->d_vocab, golden_names[i], "resid_pre");
                size_t n = 1;
                for (size_t h = 0; h < c->n_heads; h++) {
                    patches[n++] = patch_from(other, PATCH_Z, l, h);
                }
                if (!c->attn_only) {
                    patches[n++] = patch_from(other, PATCH_MLP_OUT, l, 0);
                }
                patch_run(p.patcher, p.recordings[into], patches, n);
                patch_logits(p.patcher, logits);
                assert_same_bits(logits, other->logits, c->d_vocab, golden_names[i], "a layer");
            }
        }
        pair_free(&p);
    }
}

/* Patching all neurons of a layer patches its MLP. */
static void all_neurons_are_their_mlp(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct pair p = random_pair(golden_names[i], 23, 5);
        const struct config *c = &p.model->config;
        for (size_t l = 0; l < c->n_layers && !c->attn_only; l++) {
            struct patch patches[512];
            float neurons[VOCAB_MAX], mlp[VOCAB_MAX];
            assert_true(c->d_mlp <= 512);
            for (size_t k = 0; k < c->d_mlp; k++) {
                patches[k] = patch_from(p.recordings[1], PATCH_POST, l, k);
            }
            patch_run(p.patcher, p.recordings[0], patches, c->d_mlp);
            patch_logits(p.patcher, neurons);
            patches[0] = patch_from(p.recordings[1], PATCH_MLP_OUT, l, 0);
            patch_run(p.patcher, p.recordings[0], patches, 1);
            patch_logits(p.patcher, mlp);
            assert_same_bits(neurons, mlp, c->d_vocab, golden_names[i], "neurons");
            assert_true(memcmp(mlp, p.recordings[0]->logits, c->d_vocab * sizeof *mlp) != 0);
        }
        pair_free(&p);
    }
}

// --- weights zeroed by hand ---------------------------------------------------------------------

/* The weights of a loaded model, which may be changed here. */
static float *writable(struct model *m, const float *w)
{
    assert_true(w >= m->block && w < m->block + m->n_params);
    return m->block + (w - m->block);
}

static void zero(struct model *m, const float *w, size_t n)
{
    memset(writable(m, w), 0, n * sizeof *w);
}

static double check_zeroed(const struct pair *p, const struct patch *patch, struct model *zeroed)
{
    struct forward *f;
    float wanted[VOCAB_MAX], logits[VOCAB_MAX], size = 0;
    const size_t d_vocab = zeroed->config.d_vocab;
    assert_int_equal(forward_new(&f, zeroed, NULL), 0);
    forward_run(f, p->ids[0], p->n, NULL);
    forward_logits(f, p->n - 1, 1, wanted);
    forward_free(f);
    patch_run(p->patcher, p->recordings[0], patch, 1);
    patch_logits(p->patcher, logits);
    double most = 0;
    for (size_t i = 0; i < d_vocab; i++) {
        size = fmaxf(size, fabsf(wanted[i]));
        most = fmax(most, fabs((double)logits[i] - (double)wanted[i]));
    }
    if (!(most <= MAX_ZEROED * (double)size)) {
        fail_msg("%s, kind %d, layer %zu, index %zu: off by %g of %g", zeroed->name,
                 (int)patch->kind, patch->layer, patch->index, most, (double)size);
    }
    assert_true(memcmp(logits, p->recordings[0]->logits, d_vocab * sizeof *logits) != 0);
    return most / (double)size;
}

static void zeros_are_as_weights_zeroed_by_hand(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct pair p = random_pair(golden_names[i], 23, 5);
        const struct config *c = &p.model->config;
        for (size_t l = 0; l < c->n_layers; l++) {
            struct patch patch = {.kind = PATCH_Z, .layer = l, .position = PATCH_ALL};
            patch.index = next_random((uint32_t)c->n_heads);
            struct model *m = golden_model(golden_names[i]);
            const size_t size = c->d_head * c->d_model;
            zero(m, m->layers[l].W_O + patch.index * size, size);
            most = fmax(most, check_zeroed(&p, &patch, m));
            model_free(m);
            if (c->attn_only) {
                continue;
            }
            m = golden_model(golden_names[i]);
            patch.kind = PATCH_POST;
            patch.index = next_random((uint32_t)c->d_mlp);
            zero(m, m->layers[l].W_out + patch.index * c->d_model, c->d_model);
            most = fmax(most, check_zeroed(&p, &patch, m));
            patch.kind = PATCH_MLP_OUT;
            zero(m, m->layers[l].W_out, c->d_mlp * c->d_model);
            zero(m, m->layers[l].b_out, c->d_model);
            most = fmax(most, check_zeroed(&p, &patch, m));
            model_free(m);
        }
        pair_free(&p);
    }
    printf("largest error %.1e of the largest logit\n", most);
}

// --- whole passes, nothing left out -------------------------------------------------------------

/* Patches that are written into every row of a whole pass. */
struct slow {
    const struct config *config;
    const struct patch *patches;
    size_t n_patches, n;
};

static void slow_put(const struct slow *s, enum patch_kind kind, size_t layer, size_t head,
                     float *x, size_t stride, size_t width)
{
    for (size_t k = 0; k < s->n_patches; k++) {
        const struct patch *patch = &s->patches[k];
        if (patch->kind != kind || patch->layer != layer ||
            (kind == PATCH_Z && patch->index != head)) {
            continue;
        }
        for (size_t i = 0; i < s->n; i++) {
            if (patch->position != PATCH_ALL && patch->position != i) {
                continue;
            }
            for (size_t j = 0; j < width; j++) {
                x[i * stride + (kind == PATCH_POST ? patch->index : 0) + j] =
                    patch->values ? patch->values[i * patch->stride + j] : 0;
            }
        }
    }
}

static void slow_resid(void *context, size_t layer, float *resid)
{
    const struct slow *s = context;
    slow_put(s, PATCH_RESID_PRE, layer, 0, resid, s->config->d_model, s->config->d_model);
}

static void slow_z(void *context, size_t layer, size_t head, float *z)
{
    const struct slow *s = context;
    slow_put(s, PATCH_Z, layer, head, z, s->config->d_head, s->config->d_head);
}

static void slow_post(void *context, size_t layer, float *post)
{
    const struct slow *s = context;
    slow_put(s, PATCH_POST, layer, 0, post, s->config->d_mlp, 1);
}

static void slow_mlp_out(void *context, size_t layer, float *out)
{
    const struct slow *s = context;
    slow_put(s, PATCH_MLP_OUT, layer, 0, out, s->config->d_model, s->config->d_model);
}

static struct patch random_patch(const struct pair *p, const float *noise)
{
    const struct config *c = &p->model->config;
    static const enum patch_kind kinds[] = {PATCH_RESID_PRE, PATCH_Z, PATCH_POST, PATCH_MLP_OUT};
    const enum patch_kind kind = kinds[next_random(c->attn_only ? 2 : 4)];
    const size_t layer = next_random((uint32_t)c->n_layers);
    const size_t n = kind == PATCH_Z ? c->n_heads : kind == PATCH_POST ? c->d_mlp : 1;
    struct patch patch =
        patch_from(p->recordings[next_random(2)], kind, layer, next_random((uint32_t)n));
    const uint32_t source = next_random(4); // half: of a window, perhaps its own
    if (source == 0) {
        patch.values = NULL;
    } else if (source == 1) {
        patch.values = noise;
        patch.stride = next_random(2); // the same everywhere, or not
    }
    if (next_random(3) > 0) {
        patch.position = next_random((uint32_t)p->n);
    }
    return patch;
}

static void parts_of_a_pass_are_as_the_whole(void **state)
{
    (void)state;
    float noise[1024], logits[VOCAB_MAX], wanted[VOCAB_MAX], some[2];
    size_t n_changed = 0, n_runs = 0;
    for (size_t i = 0; i < 1024; i++) {
        noise[i] = (float)next_random(1000) / 1000;
    }
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct pair p = random_pair(golden_names[i], 19, 7);
        struct forward *f;
        assert_int_equal(forward_new(&f, p.model, NULL), 0);
        for (size_t k = 0; k < 200; k++) {
            struct patch patches[4];
            struct slow s = {.config = &p.model->config,
                             .patches = patches,
                             .n_patches = 1 + next_random(4),
                             .n = p.n};
            const struct forward_edits edits = {.context = &s,
                                                .resid_pre = slow_resid,
                                                .z = slow_z,
                                                .post = slow_post,
                                                .mlp_out = slow_mlp_out};
            for (size_t j = 0; j < s.n_patches; j++) {
                patches[j] = random_patch(&p, noise);
            }
            forward_run_edited(f, p.ids[0], p.n, &edits);
            forward_logits(f, p.n - 1, 1, wanted);
            patch_run(p.patcher, p.recordings[0], patches, s.n_patches);
            patch_logits(p.patcher, logits);
            assert_same_bits(logits, wanted, p.model->config.d_vocab, golden_names[i], "logits");
            const uint32_t tokens[2] = {next_random((uint32_t)p.model->config.d_vocab), 0};
            patch_token_logits(p.patcher, tokens, 2, some);
            assert_true(some[0] == wanted[tokens[0]] && some[1] == wanted[0]);
            n_changed += logits[0] != p.recordings[0]->logits[0];
            n_runs++;
        }
        forward_free(f);
        pair_free(&p);
    }
    assert_true(n_changed > n_runs / 2 && n_changed < n_runs); // of both kinds
}

static void what_is_recorded_is_the_reference_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct pair p = random_pair(golden_names[i], IDS_MAX, 7);
        const struct config *c = &p.model->config;
        struct forward *f;
        float logits[VOCAB_MAX];
        assert_int_equal(forward_new(&f, p.model, NULL), 0);
        forward_run(f, p.ids[0], p.n, NULL);
        forward_logits(f, p.n - 1, 1, logits);
        const float *resid = p.recordings[0]->resid_pre + c->n_layers * p.n * c->d_model;
        for (size_t k = 0; k < p.n * c->d_model; k++) {
            assert_true(fabsf(resid[k] - forward_resid_final(f)[k]) < 2e-5f);
        }
        for (size_t k = 0; k < c->d_vocab; k++) {
            assert_true(fabsf(logits[k] - p.recordings[0]->logits[k]) < 2e-5f);
        }
        forward_free(f);
        pair_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patched_differences_are_those_of_transformer_lens),
        cmocka_unit_test(zeroed_components_are_those_of_transformer_lens),
        cmocka_unit_test(everything_patched_is_the_other_window),
        cmocka_unit_test(all_neurons_are_their_mlp),
        cmocka_unit_test(zeros_are_as_weights_zeroed_by_hand),
        cmocka_unit_test(parts_of_a_pass_are_as_the_whole),
        cmocka_unit_test(what_is_recorded_is_the_reference_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
