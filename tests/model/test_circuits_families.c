/*
 * Heads of the families of the Hugging Face hub: rotary positions, RMS norms, local layers, shared
 * keys and values, against TransformerLens and the reference pass.
 */
#include "tests/kit/hf_model.h"

#include <math.h>

#include "model/explain/attribution.h"
#include "model/explain/by_source.h"
#include "model/explain/circuits.h"
#include "model/explain/composition.h"
#include "model/explain/head_scores.h"
#include "model/pass/engine.h"
#include "model/pass/forward.h"

#define IDS ((size_t)12)
#define COMPONENTS 256

static void composition_scores_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    size_t n = 0;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct json_object *scores = json_member(golden, "composition_scores");
        const char *const modes[] = {"Q", "K", "V"};
        struct composition c;
        assert_non_null(scores);
        assert_int_equal(composition_make(&c, m, false, NULL, NULL), 0);
        for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
            struct json_object *matrix = json_member(scores, modes[mode]);
            for (size_t p = 0; p < c.n_pairs; p++) {
                const struct composition_pair *pair = &c.pairs[mode][p];
                const double expected =
                    golden_number(json_object_array_get_idx(matrix, pair->from), pair->to);
                most = fmax(most, fabs(pair->score - expected));
                n++;
            }
        }
        composition_free(&c);
        json_object_put(golden);
        model_free(m);
    }
    printf("%zu scores, largest error %.1e\n", n, most);
    assert_true(n > 0 && most < 1e-6);
}

// --- attention ----------------------------------------------------------------------------------

struct seen {
    const struct model *model;
    const uint32_t *ids;
    double most;
};

/* The softmax of circuits_keys_at() is the first layer's attention. */
static void see(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    struct seen *s = context;
    const struct circuits_head h = {0, head, true};
    const size_t window = config_window(&s->model->config, 0), i = n - 1;
    double *values = malloc(s->model->config.d_vocab * sizeof *values), row[IDS], sum = 0;
    assert_non_null(values);
    for (size_t j = 0; j <= i && layer == 0; j++) {
        assert_int_equal(circuits_keys_at(s->model, &h, s->ids[i], i, j, values, NULL), 0);
        row[j] = i - j < window ? exp(values[s->ids[j]]) : 0;
        sum += row[j];
    }
    for (size_t j = 0; j <= i && layer == 0; j++) {
        s->most = fmax(s->most, fabs(row[j] / sum - (double)pattern[i * n + j]));
    }
    free(values);
}

/* circuits_positions() of tokens that are all alike. */
struct alike {
    double previous[64], first[64];
};

static void see_alike(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    struct alike *s = context;
    for (size_t i = 1; i < n && layer == 0; i++) {
        s->previous[head] += (double)pattern[i * n + i - 1] / (double)(n - 1);
        s->first[head] += (double)pattern[i * n] / (double)(n - 1);
    }
}

static void scores_and_positions_give_the_attention_of_the_first_layer(void **state)
{
    (void)state;
    double most = 0;
    for (size_t k = 0; k < HF_NAMES; k++) {
        struct model *m = hf_model(hf_names[k]), copy = *m;
        const size_t D = m->config.d_model, d_vocab = m->config.d_vocab;
        uint32_t ids[IDS];
        struct seen seen = {.model = m, .ids = ids};
        struct alike alike = {0};
        const struct forward_hooks hooks = {.context = &seen, .pattern = see};
        const struct forward_hooks hooks_alike = {.context = &alike, .pattern = see_alike};
        struct forward *f;
        float *W_E = malloc(d_vocab * D * sizeof *W_E);
        assert_non_null(W_E);
        assert_true(m->config.n_ctx >= IDS && m->config.n_heads <= 64);
        for (size_t i = 0; i < IDS; i++) {
            ids[i] = (uint32_t)((7 * i + 3) % d_vocab);
        }
        for (size_t t = 0; t < d_vocab; t++) {
            memcpy(W_E + t * D, m->W_E + 5 * D, D * sizeof *W_E);
        }
        assert_int_equal(forward_new(&f, m, NULL), 0);
        forward_run(f, ids, IDS, &hooks);
        forward_free(f);
        copy.W_E = W_E;
        assert_int_equal(forward_new(&f, &copy, NULL), 0);
        forward_run(f, ids, IDS, &hooks_alike);
        forward_free(f);
        for (size_t h = 0; h < m->config.n_heads; h++) {
            struct circuits_positions got;
            assert_int_equal(circuits_positions(&copy, 0, h, IDS, &got, NULL), 0);
            most = fmax(most, fabs(got.previous - alike.previous[h]));
            most = fmax(most, fabs(got.first - alike.first[h]));
        }
        most = fmax(most, seen.most);
        if (!(most < 1e-5)) {
            fail_msg("%s: off by %g", hf_names[k], most);
        }
        free(W_E);
        model_free(m);
    }
    printf("largest error %.1e\n", most);
}

// --- attribution --------------------------------------------------------------------------------

struct attributed {
    struct attributor *attributor;
    const struct engine_pick *pick;
    float components[COMPONENTS];
};

static void attribute_pick(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct attributed *s = context;
    struct attribution found = {.components = s->components};
    assert_true(k == 0 && n == 1);
    attribute(s->attributor, s->pick, sights, 1, &found);
}

static void parts_by_source_sum_to_the_heads_components(void **state)
{
    (void)state;
    double most = 0;
    for (size_t k = 0; k < HF_NAMES; k++) {
        struct model *m = hf_model(hf_names[k]);
        struct engine *e;
        struct engine_ctx *ctx;
        struct attributed s = {0};
        uint32_t ids[IDS + 1];
        for (size_t i = 0; i <= IDS; i++) {
            ids[i] = (uint32_t)((11 * i + 2) % m->config.d_vocab);
        }
        const struct engine_window window = {.first = ids[0], .tokens = ids + 1, .n = IDS};
        const struct engine_pick pick = {.window = &window, .at = IDS - 1};
        s.pick = &pick;
        assert_true(attribution_n_components(m) <= COMPONENTS);
        assert_int_equal(engine_new(&e, m, kern_best(), PRECISION_EXACT, NULL), 0);
        assert_int_equal(engine_ctx_new(&ctx, e, NULL), 0);
        assert_int_equal(attributor_new(&s.attributor, e, NULL), 0);
        engine_look(ctx, &pick, 1, attribute_pick, &s, NULL);
        for (size_t i = 0; i < attribution_n_components(m); i++) {
            char name[ATTRIBUTION_NAME];
            struct by_source ask = {
                .ids = ids, .n = IDS, .at = IDS - 1, .token = ids[IDS], .other = BY_SOURCE_MEAN};
            double parts[IDS], sum = 0;
            attribution_component_name(m, i, name);
            if (sscanf(name, "L%zuH%zu", &ask.layer, &ask.head) != 2) {
                continue;
            }
            assert_int_equal(by_source_find(m, &ask, parts, NULL, NULL), 0);
            for (size_t j = 0; j < IDS; j++) {
                sum += parts[j];
            }
            most = fmax(most, fabs(sum - (double)s.components[i]));
        }
        if (!(most < 2e-5)) {
            fail_msg("%s: off by %g", hf_names[k], most);
        }
        attributor_free(s.attributor);
        engine_ctx_free(ctx);
        engine_free(e);
        model_free(m);
    }
    printf("largest error %.1e\n", most);
}

/* All that gapscope circuits asks is there for every family. */
static void every_family_has_scores(void **state)
{
    (void)state;
    for (size_t k = 0; k < HF_NAMES; k++) {
        struct model *m = hf_model(hf_names[k]);
        struct head_scores scores[64];
        const size_t n = m->config.n_layers * m->config.n_heads;
        assert_true(n <= 64);
        assert_int_equal(head_scores_make(m, 0, NULL, scores, NULL, NULL), 0);
        for (size_t h = 0; h < n; h++) {
            const struct circuits_head head = {h / m->config.n_heads, h % m->config.n_heads, true};
            double *values = malloc(m->config.d_vocab * sizeof *values);
            assert_non_null(values);
            assert_true(isfinite(scores[h].copying) && isfinite(scores[h].induction));
            assert_int_equal(circuits_ov(m, &head, 1, values, NULL), 0);
            assert_true(isfinite(values[0]));
            assert_int_equal(circuits_keys(m, &head, 1, values, NULL), 0);
            assert_true(isfinite(values[0]));
            free(values);
        }
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composition_scores_are_those_of_transformer_lens),
        cmocka_unit_test(scores_and_positions_give_the_attention_of_the_first_layer),
        cmocka_unit_test(parts_by_source_sum_to_the_heads_components),
        cmocka_unit_test(every_family_has_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
