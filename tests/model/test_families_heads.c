/*
 * What is said of heads from weights and by source position, for the families of the Hugging Face hub:
 * against golden composition scores, golden attention, and the model itself
 */
#include "tests/kit/hf_model.h"

#include <math.h>

#include "model/explain/attribution.h"
#include "model/explain/by_source.h"
#include "model/explain/circuits.h"
#include "model/explain/composition.h"
#include "model/pass/engine.h"

enum { MOST = 96 };

static size_t read_ids(struct json_object *golden, uint32_t ids[MOST],
                       struct json_object **document)
{
    *document = json_object_array_get_idx(json_member(golden, "documents"), 1);
    struct json_object *list = json_member(*document, "ids");
    const size_t n = json_object_array_length(list);
    assert_in_range(n, 2, MOST);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t)golden_number(list, i);
    }
    return n;
}

static void composition_is_as_in_float64(void **state)
{
    (void)state;
    size_t n_checked = 0;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]);
        struct composition c;
        assert_int_equal(composition_make(&c, m, false, NULL, NULL), 0);
        for (enum composition_mode mode = 0; mode < COMPOSITION_MODES; mode++) {
            struct json_object *rows =
                json_member(json_member(golden, "composition_scores"), composition_mode_name(mode));
            for (size_t k = 0; k < c.n_pairs; k++) {
                const struct composition_pair *p = &c.pairs[mode][k];
                const double want = golden_number(json_object_array_get_idx(rows, p->from), p->to);
                assert_true(fabs(p->score - want) < 1e-6);
                n_checked++;
            }
        }
        composition_free(&c);
        json_object_put(golden);
        model_free(m);
    }
    assert_true(n_checked > 1000);
}

/* The parts of all source positions are the head's component, and their attention is golden. */
static void sources_add_up_to_the_head(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]), *document;
        uint32_t ids[MOST];
        const size_t n = read_ids(golden, ids, &document);
        json_object_object_foreach(json_member(document, "pattern_last_row"), name, row)
        {
            struct by_source s = {.ids = ids, .n = n, .at = n - 1, .token = 7, .other = 8};
            double parts[MOST], attention[MOST];
            assert_int_equal(sscanf(name, "L%zuH%zu", &s.layer, &s.head), 2);
            assert_int_equal(by_source_find(m, &s, parts, attention, NULL), 0);
            for (size_t j = 0; j < n; j++) {
                assert_true(fabs(attention[j] - golden_number(row, j)) < 2e-5);
            }
        }
        json_object_put(golden);
        model_free(m);
    }
}

struct look {
    struct attributor *attributor;
    const struct engine_pick *picks;
    float *components;
};

static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    const struct look *look = context;
    struct attribution out = {.components = look->components};
    assert_true(k == 0 && n == 1);
    attribute(look->attributor, look->picks, sights, 1, &out);
}

static void sources_are_the_component_of_attribution(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]), *document;
        struct engine *e = NULL;
        struct engine_ctx *ctx = NULL;
        float components[64];
        uint32_t ids[MOST];
        const size_t n = read_ids(golden, ids, &document);
        const struct engine_window window = {.first = ids[0], .tokens = ids + 1, .n = n - 1};
        const struct engine_pick pick = {.window = &window, .at = n - 2};
        struct look look = {.picks = &pick, .components = components};
        assert_int_equal(engine_new(&e, m, kern_best(), PRECISION_EXACT, NULL), 0);
        assert_int_equal(engine_ctx_new(&ctx, e, NULL), 0);
        assert_int_equal(attributor_new(&look.attributor, e, NULL), 0);
        engine_look(ctx, &pick, 1, see, &look, NULL);
        for (size_t k = 0; k < attribution_n_components(m); k++) {
            char name[ATTRIBUTION_NAME];
            struct by_source s = {
                .ids = ids, .n = n, .at = n - 2, .token = ids[n - 1], .other = BY_SOURCE_MEAN};
            double parts[MOST], sum = 0;
            attribution_component_name(m, k, name);
            if (sscanf(name, "L%zuH%zu", &s.layer, &s.head) != 2) {
                continue;
            }
            assert_int_equal(by_source_find(m, &s, parts, NULL, NULL), 0);
            for (size_t j = 0; j <= s.at; j++) {
                sum += parts[j];
            }
            assert_true(fabs(sum - (double)components[k]) < 1e-4);
        }
        attributor_free(look.attributor);
        engine_ctx_free(ctx);
        engine_free(e);
        json_object_put(golden);
        model_free(m);
    }
}

/* In the first layer the score of a query and a key is the model's: its softmax is the attention. */
static void scores_of_the_first_layer_are_the_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        struct json_object *golden = hf_golden(hf_names[i]), *document;
        double *values = malloc(m->config.d_vocab * sizeof *values);
        const size_t window = config_window(&m->config, 0);
        uint32_t ids[MOST];
        const size_t n = read_ids(golden, ids, &document);
        json_object_object_foreach(json_member(document, "pattern_last_row"), name, row)
        {
            struct circuits_head h = {0};
            double score[MOST], sum = 0;
            assert_int_equal(sscanf(name, "L%zuH%zu", &h.layer, &h.index), 2);
            for (size_t j = 0; j < n && h.layer == 0; j++) {
                assert_int_equal(circuits_keys_at(m, &h, ids[n - 1], n - 1, j, values, NULL), 0);
                score[j] = n - 1 - j < window ? exp(values[ids[j]]) : 0;
                sum += score[j];
            }
            for (size_t j = 0; j < n && h.layer == 0; j++) {
                assert_true(fabs(score[j] / sum - golden_number(row, j)) < 2e-5);
            }
        }
        struct circuits_terms terms;
        struct err err = {0};
        const struct circuits_head first = {0};
        const int rc = circuits_terms(m, &first, 1, 1, 2, 0, &terms, &err);
        assert_int_equal(rc, m->config.rotary_dims > 0 ? ERR_UNSUPPORTED : 0);
        struct circuits_positions by_position;
        assert_int_equal(circuits_positions(m, 0, 0, m->config.n_ctx, &by_position, NULL), 0);
        assert_true(by_position.previous > 0 && by_position.previous < 1);
        assert_true(by_position.distance < window);
        free(values);
        json_object_put(golden);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composition_is_as_in_float64),
        cmocka_unit_test(sources_add_up_to_the_head),
        cmocka_unit_test(sources_are_the_component_of_attribution),
        cmocka_unit_test(scores_of_the_first_layer_are_the_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
