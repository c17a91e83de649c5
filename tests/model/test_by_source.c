/*
 * Direct logit attribution by component, and of heads by source position, against TransformerLens
 * in float64 on all files of tests/golden/circuits.
 */
#include "tests/kit/golden_circuits.h"

#include <math.h>

#include "model/explain/attribution.h"
#include "model/explain/by_source.h"
#include "model/pass/engine.h"
#include "tests/kit/scan_kit.h"

#define MOST 1e-5 // of logits, relative to 1 or to the greatest part

#define MAX_IDS 96
#define COMPONENTS 256

static size_t number(struct json_object *object, const char *key)
{
    assert_non_null(json_member(object, key));
    return (size_t)json_object_get_int64(json_member(object, key));
}

static double value(struct json_object *object, const char *key)
{
    assert_non_null(json_member(object, key));
    return json_object_get_double(json_member(object, key));
}

static void expect(const char *model, const char *what, double got, double golden, double *most)
{
    const double error = fabs(got - golden) / fmax(1, fabs(golden));
    if (!(error <= MOST)) {
        fail_msg("%s, %s: %.8g, not %.8g", model, what, got, golden);
    }
    *most = fmax(*most, error);
}

// --- by source ----------------------------------------------------------------------------------

static size_t check_heads(const struct model *m, const uint32_t *ids, size_t n,
                          struct json_object *position, const char *kind, double *most)
{
    struct json_object *golden = json_member(position, kind);
    const bool mean = strcmp(kind, "logit_less_mean") == 0;
    size_t heads = 0;
    json_object_object_foreach(json_member(golden, "heads_by_source"), name, list)
    {
        struct by_source ask = {.ids = ids,
                                .n = n,
                                .at = number(position, "pos"),
                                .token = (uint32_t)number(position, "target"),
                                .other =
                                    mean ? BY_SOURCE_MEAN : (uint32_t)number(position, "other")};
        double parts[MAX_IDS], attention[MAX_IDS], sum = 0, whole = 0;
        assert_int_equal(sscanf(name, "L%zuH%zu", &ask.layer, &ask.head), 2);
        assert_int_equal(json_object_array_length(list), ask.at + 1);
        assert_int_equal(by_source_find(m, &ask, parts, attention, NULL), 0);
        for (size_t j = 0; j <= ask.at; j++) {
            expect(m->name, name, parts[j], golden_number(list, j), most);
            sum += parts[j];
            whole += attention[j];
        }
        expect(m->name, name, sum, value(json_member(golden, "parts"), name), most);
        assert_true(fabs(whole - 1) < 1e-12);
        double again[MAX_IDS];
        assert_int_equal(by_source_find(m, &ask, again, NULL, NULL), 0);
        assert_memory_equal(parts, again, (ask.at + 1) * sizeof *parts);
        heads++;
    }
    return heads;
}

static void heads_by_source_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    size_t heads = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS_FILES; i++) {
        struct golden_circuits g = golden_circuits_load(i);
        struct json_object *attribution = json_member(g.json, "attribution");
        struct json_object *positions = json_member(attribution, "positions");
        uint32_t ids[MAX_IDS];
        const size_t n = golden_ids(json_member(attribution, "ids"), ids, MAX_IDS);
        for (size_t p = 0; p < (KIT_SLOW ? 1 : json_object_array_length(positions)); p++) {
            struct json_object *position = json_object_array_get_idx(positions, p);
            heads += check_heads(g.model, ids, n, position, "logit_less_mean", &most);
            heads += check_heads(g.model, ids, n, position, "difference", &most);
        }
        golden_circuits_end(&g);
    }
    printf("%zu heads at positions, largest error %.1e\n", heads, most);
    assert_true(heads >= 15 * 2 * 2);
}

// --- by component -------------------------------------------------------------------------------

struct seen {
    struct attributor *attributor;
    const struct engine_pick *pick;
    struct attribution found;
    float components[COMPONENTS];
};

static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct seen *s = context;
    assert_true(k == 0 && n == 1);
    s->found.components = s->components;
    attribute(s->attributor, s->pick, sights, 1, &s->found);
}

/* The components of the logit of a token after ids[0..at]. */
static void attribute_token(struct engine_ctx *ctx, struct seen *s, const uint32_t *ids, size_t at,
                            uint32_t token)
{
    uint32_t tokens[MAX_IDS + 1];
    memcpy(tokens, ids + 1, at * sizeof *ids);
    tokens[at] = token;
    const struct engine_window window = {.first = ids[0], .tokens = tokens, .n = at + 1};
    const struct engine_pick pick = {.window = &window, .at = at};
    s->pick = &pick;
    engine_look(ctx, &pick, 1, see, s, NULL);
}

static void check_components(const struct model *m, const uint32_t *ids,
                             struct json_object *position, struct engine_ctx *ctx,
                             struct attributor *attributor, double *most)
{
    struct seen target = {.attributor = attributor}, other = {.attributor = attributor};
    const size_t at = number(position, "pos"), n = attribution_n_components(m);
    struct json_object *mean = json_member(position, "logit_less_mean");
    struct json_object *difference = json_member(position, "difference");
    assert_true(n <= COMPONENTS);
    attribute_token(ctx, &target, ids, at, (uint32_t)number(position, "target"));
    attribute_token(ctx, &other, ids, at, (uint32_t)number(position, "other"));
    expect(m->name, "total", (double)target.found.logit, value(mean, "total"), most);
    assert_int_equal(json_object_object_length(json_member(mean, "parts")), n);
    for (size_t i = 0; i < n; i++) {
        char name[ATTRIBUTION_NAME];
        attribution_component_name(m, i, name);
        const double a = (double)target.components[i], b = (double)other.components[i];
        expect(m->name, name, a, value(json_member(mean, "parts"), name), most);
        expect(m->name, name, a - b, value(json_member(difference, "parts"), name), most);
    }
}

static void components_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS_FILES; i++) {
        struct golden_circuits g = golden_circuits_load(i);
        struct json_object *attribution = json_member(g.json, "attribution");
        struct json_object *positions = json_member(attribution, "positions");
        struct engine *e;
        struct engine_ctx *ctx;
        struct attributor *attributor;
        uint32_t ids[MAX_IDS];
        golden_ids(json_member(attribution, "ids"), ids, MAX_IDS);
        assert_int_equal(engine_new(&e, g.model, kern_best(), PRECISION_EXACT, NULL), 0);
        assert_int_equal(engine_ctx_new(&ctx, e, NULL), 0);
        assert_int_equal(attributor_new(&attributor, e, NULL), 0);
        for (size_t p = 0; p < json_object_array_length(positions); p++) {
            check_components(g.model, ids, json_object_array_get_idx(positions, p), ctx, attributor,
                             &most);
        }
        attributor_free(attributor);
        engine_ctx_free(ctx);
        engine_free(e);
        golden_circuits_end(&g);
    }
    printf("largest error %.1e\n", most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_by_source_are_those_of_transformer_lens),
        cmocka_unit_test(components_are_those_of_transformer_lens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
