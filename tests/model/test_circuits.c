/*
 * OV and QK circuits and the direct path against TransformerLens in float64; attention by positions
 * against the reference pass.
 */
#include "tests/kit/golden_circuits.h"

#include <math.h>

#include "model/explain/circuits.h"
#include "model/pass/forward.h"

#define MOST 1e-6 // of logits and scores, which are about 1 to 10
#define TOKENS 10

static void expect(const char *what, double value, double golden, double *most)
{
    const double error = fabs(value - golden) / fmax(1, fabs(golden));
    if (!(error <= MOST)) {
        fail_msg("%s: %.9g, not %.9g", what, value, golden);
    }
    *most = fmax(*most, error);
}

/* The extremes of values[d_vocab] are the golden [[token, value], ...]. */
static void expect_list(const char *what, const double *values, size_t d_vocab, bool least,
                        struct json_object *golden, double *most)
{
    uint32_t ids[TOKENS];
    const size_t n = json_object_array_length(golden);
    assert_true(n <= TOKENS);
    assert_int_equal(circuits_extremes(values, d_vocab, least, NULL, ids, n), n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *pair = json_object_array_get_idx(golden, i);
        assert_int_equal(ids[i], (int)golden_number(pair, 0));
        expect(what, values[ids[i]], golden_number(pair, 1), most);
    }
}

static void check_ov(const struct golden_circuits *g, struct json_object *golden, double *most)
{
    const struct config *c = &g->model->config;
    struct json_object *sources = json_member(golden, "source_tokens");
    struct json_object *direct = json_member(golden, "direct");
    double *values = malloc(c->d_vocab * sizeof *values);
    assert_non_null(values);
    for (size_t s = 0; s < json_object_array_length(sources); s++) {
        const uint32_t source = (uint32_t)golden_number(sources, s);
        for (int folded = 0; folded < 2; folded++) {
            const char *key = folded ? "folded" : "raw";
            assert_int_equal(circuits_direct(g->model, folded, source, values, NULL), 0);
            expect_list("direct", values, c->d_vocab, false,
                        json_object_array_get_idx(json_member(direct, key), s), most);
            for (size_t h = 0; h < c->n_heads; h++) {
                const struct circuits_head head = {0, h, folded};
                char name[32];
                snprintf(name, sizeof name, "L0H%zu", h);
                struct json_object *own = json_member(json_member(golden, "ov"), name);
                assert_int_equal(circuits_ov(g->model, &head, source, values, NULL), 0);
                expect_list(name, values, c->d_vocab, false,
                            json_object_array_get_idx(json_member(own, key), s), most);
                if (folded) {
                    expect_list(name, values, c->d_vocab, true,
                                json_object_array_get_idx(json_member(own, "folded_bottom"), s),
                                most);
                    expect(name, values[source],
                           golden_number(json_member(own, "folded_own_token"), s), most);
                }
            }
        }
    }
    free(values);
}

static double number(struct json_object *object, const char *key)
{
    assert_non_null(json_member(object, key));
    return json_object_get_double(json_member(object, key));
}

static void check_qk_head(const struct golden_circuits *g, struct json_object *pair, size_t h,
                          double *values, double *most)
{
    const uint32_t a = (uint32_t)number(pair, "query_token"),
                   b = (uint32_t)number(pair, "key_token");
    const size_t i = (size_t)number(pair, "query_pos"), j = (size_t)number(pair, "key_pos");
    const struct circuits_head raw = {0, h, false}, folded = {0, h, true};
    struct circuits_terms t;
    char name[32];
    snprintf(name, sizeof name, "L0H%zu", h);
    struct json_object *own = json_member(json_member(pair, "heads"), name);
    struct json_object *terms = json_member(own, "folded");
    assert_int_equal(circuits_keys(g->model, &raw, a, values, NULL), 0);
    expect("raw", values[b], number(own, "raw_token_token"), most);
    assert_int_equal(circuits_terms(g->model, &raw, a, i, b, j, &t, NULL), 0);
    expect("raw tt", t.tt, number(own, "raw_token_token"), most);
    assert_int_equal(circuits_keys(g->model, &folded, a, values, NULL), 0);
    expect("folded", values[b], number(terms, "tt"), most);
    assert_int_equal(circuits_terms(g->model, &folded, a, i, b, j, &t, NULL), 0);
    expect("tt", t.tt, number(terms, "tt"), most);
    expect("tp", t.tp, number(terms, "tp"), most);
    expect("pt", t.pt, number(terms, "pt"), most);
    expect("pp", t.pp, number(terms, "pp"), most);
    assert_int_equal(circuits_keys_at(g->model, &folded, a, i, j, values, NULL), 0);
    expect("score", values[b], number(own, "score"), most);
}

static void circuits_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    size_t files = 0, pairs = 0;
    for (size_t f = 0; f < GOLDEN_CIRCUITS_FILES; f++) {
        struct golden_circuits g = golden_circuits_load(f);
        struct json_object *golden = json_member(g.json, "circuits_1l");
        if (golden) {
            struct json_object *qk = json_member(golden, "qk_pairs");
            double *values = malloc(g.model->config.d_vocab * sizeof *values);
            assert_non_null(values);
            check_ov(&g, golden, &most);
            for (size_t i = 0; i < json_object_array_length(qk); i++) {
                struct json_object *pair = json_object_array_get_idx(qk, i);
                // golden values exist for positions that no window reaches, too
                for (size_t h = 0; h < g.model->config.n_heads; h++) {
                    check_qk_head(&g, pair, h, values, &most);
                    pairs++;
                }
            }
            free(values);
            files++;
        }
        golden_circuits_end(&g);
    }
    printf("%zu files, %zu pairs of tokens and heads, largest error %.1e\n", files, pairs, most);
    assert_int_equal(files, 7);
}

// --- positions ----------------------------------------------------------------------------------

/* A copy of a model's embeddings in which all tokens are the mean one plus or less 'by' in the first
 * dimensions; the caller frees it. */
static float *mean_tokens(const struct model *m, float by)
{
    const size_t D = m->config.d_model, d_vocab = m->config.d_vocab;
    float *W_E = calloc(d_vocab * D, sizeof *W_E);
    assert_non_null(W_E);
    for (size_t k = 0; k < D; k++) {
        double mean = 0;
        for (size_t t = 0; t < d_vocab; t++) {
            mean += (double)m->W_E[t * D + k] / (double)d_vocab;
        }
        for (size_t t = 0; t < d_vocab; t++) {
            const float sign =
                (k < 2 ? 1.0f : 0.0f) * (k == 0 ? 1.0f : -1.0f) * (t % 2 ? 1.0f : -1.0f);
            W_E[t * D + k] = (float)mean + sign * by;
        }
    }
    return W_E;
}

struct seen {
    size_t head;
    double previous, self, first;
};

static void see(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    struct seen *s = context;
    for (size_t i = 1; i < n && layer == 0 && head == s->head; i++) {
        s->previous += (double)pattern[i * n + i - 1] / (double)(n - 1);
        s->self += (double)pattern[i * n + i] / (double)(n - 1);
        s->first += (double)pattern[i * n] / (double)(n - 1);
    }
}

static void positions_attend_as_in_a_window_of_mean_tokens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t f = 0; f < GOLDEN_CIRCUITS_FILES; f++) {
        struct golden_circuits g = golden_circuits_load(f);
        struct model copy = *g.model;
        float *W_E = mean_tokens(g.model, 0);
        const size_t n = copy.config.n_ctx < 60 ? copy.config.n_ctx : 60;
        struct seen seen = {.head = 1};
        const struct forward_hooks hooks = {.context = &seen, .pattern = see};
        struct circuits_positions got;
        struct forward *pass;
        uint32_t ids[60];
        copy.W_E = W_E;
        for (size_t i = 0; i < n; i++) {
            ids[i] = (uint32_t)i;
        }
        assert_int_equal(forward_new(&pass, &copy, NULL), 0);
        forward_run(pass, ids, n, &hooks);
        assert_int_equal(circuits_positions(&copy, 0, 1, n, &got, NULL), 0);
        most = fmax(most, fabs(got.previous - seen.previous));
        most = fmax(most, fabs(got.self - seen.self));
        most = fmax(most, fabs(got.first - seen.first));
        assert_true(most < 1e-5);
        assert_true(got.distance <= n / 2 && got.at_distance > 0);
        assert_true(got.at_distance >= fmax(got.previous, got.self) - 1e-9);
        forward_free(pass);
        free(W_E);
        golden_circuits_end(&g);
    }
    printf("largest error %.1e\n", most);
}

/* Tokens that differ make the norm's scale as much larger as an eps of their variance does. */
static void the_norms_scale_is_that_of_the_mean_variance(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(0);
    struct model same = *g.model, differ = *g.model;
    const float by = 0.25f;
    float *const W_E[] = {mean_tokens(g.model, 0), mean_tokens(g.model, by)};
    struct circuits_positions a, b, c;
    same.W_E = W_E[0];
    differ.W_E = W_E[1];
    assert_int_equal(circuits_positions(&same, 0, 0, 30, &a, NULL), 0);
    assert_int_equal(circuits_positions(&differ, 0, 0, 30, &b, NULL), 0);
    same.config.eps += 2 * by * by / (float)g.model->config.d_model;
    assert_int_equal(circuits_positions(&same, 0, 0, 30, &c, NULL), 0);
    assert_true(fabs(a.previous - b.previous) > 1e-5);
    assert_true(fabs(c.previous - b.previous) < 1e-7);
    free(W_E[0]);
    free(W_E[1]);
    golden_circuits_end(&g);
}

// --- which tokens matter ------------------------------------------------------------------------

static void sizes_are_norms_of_what_is_written_and_looked_for(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(3);
    const struct model *m = g.model;
    const size_t D = m->config.d_model, d = m->config.d_head, d_vocab = m->config.d_vocab;
    const float *V = m->layers[0].W_V + D * d, *O = m->layers[0].W_O + D * d;
    const float *Q = m->layers[0].W_Q + D * d, *K = m->layers[0].W_K + D * d;
    const struct circuits_head raw = {0, 1, false};
    double *sources = malloc(d_vocab * sizeof *sources),
           *queries = malloc(d_vocab * sizeof *queries);
    assert_non_null(sources);
    assert_non_null(queries);
    assert_int_equal(circuits_source_sizes(m, &raw, sources, NULL), 0);
    assert_int_equal(circuits_query_sizes(m, &raw, queries, NULL), 0);
    for (size_t t = 0; t < d_vocab; t += 50) {
        double square[2] = {0};
        for (size_t i = 0; i < D; i++) {
            double sum[2] = {0};
            for (size_t j = 0; j < d; j++) {
                double v = 0, q = 0;
                for (size_t k = 0; k < D; k++) {
                    v += (double)m->W_E[t * D + k] * (double)V[k * d + j];
                    q += (double)m->W_E[t * D + k] * (double)Q[k * d + j];
                }
                sum[0] += v * (double)O[j * D + i];
                sum[1] += q * (double)K[i * d + j];
            }
            square[0] += sum[0] * sum[0];
            square[1] += sum[1] * sum[1];
        }
        assert_true(fabs(sources[t] - sqrt(square[0])) < 1e-9 * (1 + sources[t]));
        assert_true(fabs(queries[t] - sqrt(square[1])) < 1e-9 * (1 + queries[t]));
    }
    free(sources);
    free(queries);
    golden_circuits_end(&g);
}

static void extremes_are_in_order_and_leave_out_what_they_are_told_to(void **state)
{
    (void)state;
    const double values[] = {1, 5, NAN, 5, -2, 4, -2};
    const bool leave_out[7] = {[5] = true};
    uint32_t ids[7];
    assert_int_equal(circuits_extremes(values, 7, false, NULL, ids, 3), 3);
    assert_true(ids[0] == 1 && ids[1] == 3 && ids[2] == 5);
    assert_int_equal(circuits_extremes(values, 7, false, leave_out, ids, 3), 3);
    assert_true(ids[0] == 1 && ids[1] == 3 && ids[2] == 0);
    assert_int_equal(circuits_extremes(values, 7, true, NULL, ids, 7), 6);
    assert_true(ids[0] == 4 && ids[1] == 6 && ids[2] == 0 && ids[3] == 5 && ids[4] == 1 &&
                ids[5] == 3);
    assert_int_equal(circuits_extremes(values, 7, true, NULL, ids, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(circuits_are_those_of_transformer_lens),
        cmocka_unit_test(positions_attend_as_in_a_window_of_mean_tokens),
        cmocka_unit_test(the_norms_scale_is_that_of_the_mean_variance),
        cmocka_unit_test(sizes_are_norms_of_what_is_written_and_looked_for),
        cmocka_unit_test(extremes_are_in_order_and_leave_out_what_they_are_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
