/*
 * The direct effects of neurons, against TransformerLens in float64 and against plain sums in the
 * test, for every kind of norm.
 */
#include "tests/kit/golden_model.h"

#include <math.h>

#include "model/explain/effects.h"
#include "tests/bench/synthetic.h"

#define MAX_GOLDEN 5e-6
#define MAX_PLAIN 2e-6 // relative to the largest value of a neuron, or to 1

static const char *const names[] = {
    "gelu-1l",        "gelu-2l",         "solu-1l",         "solu-4l",
    "SoLU_1L_v9_old", "SoLU_4L_v11_old", "SoLU_8L_v21_old",
};
#define WITH_CIRCUITS 4 // the first of them have a circuits.json
#define N_NAMES (sizeof names / sizeof *names)

static struct engine *start(const struct model *m, const struct kern *k)
{
    struct engine *e;
    assert_int_equal(engine_new(&e, m, k, PRECISION_EXACT, NULL), 0);
    return e;
}

// --- TransformerLens ----------------------------------------------------------------------------

static double compare(const struct effects_list *list, struct json_object *golden, const char *what)
{
    double most = 0;
    assert_int_equal(list->n, EFFECTS_TOKENS);
    assert_int_equal(json_object_array_length(golden), 10);
    for (size_t i = 0; i < 10; i++) {
        struct json_object *one = json_object_array_get_idx(golden, i);
        const double error = fabs((double)list->tokens[i].value - golden_number(one, 1));
        if (list->tokens[i].id != golden_number(one, 0) || !(error <= MAX_GOLDEN)) {
            fail_msg("%s, place %zu: token %u, %.7f, not %.0f, %.7f", what, i, list->tokens[i].id,
                     (double)list->tokens[i].value, golden_number(one, 0), golden_number(one, 1));
        }
        most = error > most ? error : most;
    }
    return most;
}

static void output_tokens_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < WITH_CIRCUITS * 8; i++) {
        const struct kern *k = kern_at(i / WITH_CIRCUITS);
        if (!k) {
            break;
        }
        if (!kern_runs(k)) {
            continue;
        }
        struct model *m = golden_model(names[i % WITH_CIRCUITS]);
        struct engine *e = start(m, k);
        char path[256];
        snprintf(path, sizeof path, "tests/golden/models/%s/circuits.json", m->name);
        struct json_object *golden = golden_json(path);
        size_t n = 0;
        json_object_object_foreach(json_member(golden, "output_tokens"), neuron, lists)
        {
            size_t layer, index;
            struct effects got;
            assert_int_equal(sscanf(neuron, "L%zuN%zu", &layer, &index), 2);
            assert_int_equal(effects_output(e, layer, index, 1, &got, NULL, NULL), 0);
            most = fmax(most, compare(&got.greatest, json_member(lists, "top"), neuron));
            most = fmax(most, compare(&got.least, json_member(lists, "bottom"), neuron));
            n++;
        }
        assert_int_equal(n, 3);
        json_object_put(golden);
        engine_free(e);
        model_free(m);
    }
    printf("largest error %.1e\n", most);
}

// --- plain sums ---------------------------------------------------------------------------------

#define VOCAB_MAX 4096

/* Applies a norm of weight w (NULL: none) without its bias to x. */
static void plain_norm(const float *x, const float *w, size_t n, bool centre, double eps,
                       double *out)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        mean += centre ? (double)x[i] / (double)n : 0;
    }
    for (size_t i = 0; i < n; i++) {
        square += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] =
            ((double)x[i] - mean) * (w ? (double)w[i] : 1) / (eps < 0 ? 1 : sqrt(square + eps));
    }
}

static void take_mean(double *values, size_t n)
{
    double mean = 0;
    for (size_t t = 0; t < n; t++) {
        mean += values[t] / (double)n;
    }
    for (size_t t = 0; t < n; t++) {
        values[t] -= mean;
    }
}

static void plain_output(const struct model *m, size_t layer, size_t index, double *values)
{
    const struct config *c = &m->config;
    double x[512];
    assert_true(c->d_model <= 512);
    plain_norm(m->layers[layer].W_out + index * c->d_model, m->ln_final_w, c->d_model,
               c->norm != NORM_NONE && !c->final_rms, -1, x);
    for (size_t t = 0; t < c->d_vocab; t++) {
        values[t] = 0;
        for (size_t l = 0; l < c->d_model; l++) {
            values[t] += x[l] * (double)m->W_U[l * c->d_vocab + t];
        }
    }
    take_mean(values, c->d_vocab);
}

static void plain_input(const struct model *m, size_t index, double *values)
{
    const struct config *c = &m->config;
    double x[512];
    for (size_t t = 0; t < c->d_vocab; t++) {
        const bool none = c->norm == NORM_NONE;
        plain_norm(m->W_E + t * c->d_model, m->layers[0].ln2_w, c->d_model, !none,
                   none ? -1 : (double)c->eps, x);
        values[t] = 0;
        for (size_t l = 0; l < c->d_model; l++) {
            values[t] += x[l] * (double)m->layers[0].W_in[l * c->d_mlp + index];
        }
    }
    take_mean(values, c->d_vocab);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Checks that the list is the beginning of values[n] in descending order, or ascending if sign is
 * -1. */
static void check_list(const struct effects_list *list, const double *values, size_t n, double sign)
{
    static double sorted[VOCAB_MAX];
    double size = 1;
    assert_true(n <= VOCAB_MAX);
    for (size_t t = 0; t < n; t++) {
        sorted[t] = sign * values[t];
        size = fmax(size, fabs(values[t]));
    }
    qsort(sorted, n, sizeof *sorted, by_value);
    assert_int_equal(list->n, n < EFFECTS_TOKENS ? n : EFFECTS_TOKENS);
    for (size_t i = 0; i < list->n; i++) {
        const struct effects_token *token = &list->tokens[i];
        assert_true(token->id < n);
        assert_true(fabs((double)token->value - values[token->id]) <= MAX_PLAIN * size);
        assert_true(fabs(sign * (double)token->value - sorted[i]) <= MAX_PLAIN * size);
        for (size_t k = 0; k < i; k++) {
            assert_true(list->tokens[k].id != token->id);
        }
    }
}

static void check(const struct effects *e, const double *values, size_t n)
{
    check_list(&e->greatest, values, n, 1);
    check_list(&e->least, values, n, -1);
}

static void check_model(const struct model *m, const struct kern *k)
{
    static double values[VOCAB_MAX];
    const struct config *c = &m->config;
    struct engine *e = start(m, k);
    struct effects *got = malloc(c->d_mlp * sizeof *got);
    assert_non_null(got);
    for (size_t l = 0; l < c->n_layers; l++) {
        assert_int_equal(effects_output(e, l, 0, c->d_mlp, got, NULL, NULL), 0);
        for (size_t i = 0; i < c->d_mlp; i += 5) {
            plain_output(m, l, i, values);
            check(&got[i], values, c->d_vocab);
        }
    }
    assert_int_equal(effects_input(e, 0, c->d_mlp, got, NULL, NULL), 0);
    for (size_t i = 0; i < c->d_mlp; i += 5) {
        plain_input(m, i, values);
        check(&got[i], values, c->d_vocab);
    }
    free(got);
    engine_free(e);
}

static void effects_are_plain_sums_whatever_the_norm(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) {
        struct model *m = golden_model(names[i]);
        for (size_t t = 0; kern_at(t); t++) {
            if (kern_runs(kern_at(t))) {
                check_model(m, kern_at(t));
            }
        }
        m->config.norm = NORM_NONE; // the weights are still there, but nothing is centred
        const float *ln2_w = m->layers[0].ln2_w, *ln_final_w = m->ln_final_w;
        m->layers[0].ln2_w = m->ln_final_w = NULL;
        check_model(m, kern_best());
        m->layers[0].ln2_w = ln2_w;
        m->ln_final_w = ln_final_w;
        model_free(m);
    }
}

/* Sizes with panels that are not full, and fewer tokens than a list has room for. */
static void only_tokens_of_the_vocabulary_are_listed(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 13, 15, 33, 1003};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct model *m = synthetic_model(1, 64, 4, 96, sizes[i], 8, false, ACT_GELU, false);
        for (size_t t = 0; kern_at(t); t++) {
            if (kern_runs(kern_at(t))) {
                check_model(m, kern_at(t));
            }
        }
        synthetic_free(m);
    }
}

static void a_neuron_has_the_same_effects_in_any_company(void **state)
{
    (void)state;
    struct model *m = synthetic_model(1, 64, 4, 1000, 777, 8, false, ACT_GELU, false);
    static struct effects all[1000], some[1000];
    const size_t from[] = {0, 999, 13, 500}, n[] = {1, 1, 460, 500};
    for (size_t t = 0; kern_at(t); t++) {
        if (!kern_runs(kern_at(t))) {
            continue;
        }
        struct engine *e = start(m, kern_at(t));
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(effects_output(e, 0, 0, 1000, all, NULL, NULL), 0);
            assert_int_equal(effects_output(e, 0, from[i], n[i], some, NULL, NULL), 0);
            assert_memory_equal(some, all + from[i], n[i] * sizeof *some);
            assert_int_equal(effects_input(e, 0, 1000, all, NULL, NULL), 0);
            assert_int_equal(effects_input(e, from[i], n[i], some, NULL, NULL), 0);
            assert_memory_equal(some, all + from[i], n[i] * sizeof *some);
        }
        engine_free(e);
    }
    synthetic_free(m);
}

static void equal_tokens_are_listed_from_the_lower_id(void **state)
{
    (void)state;
    struct model *m = synthetic_model(1, 64, 4, 96, 100, 8, false, ACT_GELU, false);
    float *W_E = (float *)(uintptr_t)m->W_E, *W_U = (float *)(uintptr_t)m->W_U;
    for (size_t t = 1; t < 100; t++) {
        memcpy(W_E + t * 64, W_E, 64 * sizeof *W_E);
    }
    for (size_t l = 0; l < 64; l++) {
        for (size_t t = 1; t < 100; t++) {
            W_U[l * 100 + t] = W_U[l * 100];
        }
    }
    struct engine *e = start(m, kern_best());
    struct effects got[2];
    assert_int_equal(effects_output(e, 0, 7, 1, &got[0], NULL, NULL), 0);
    assert_int_equal(effects_input(e, 7, 1, &got[1], NULL, NULL), 0);
    for (size_t i = 0; i < EFFECTS_TOKENS; i++) {
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(got[k].greatest.tokens[i].id, i);
            assert_int_equal(got[k].least.tokens[i].id, i);
            assert_true(fabsf(got[k].greatest.tokens[i].value) < 1e-5f); // all are the mean
        }
    }
    engine_free(e);
    synthetic_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_tokens_are_those_of_transformer_lens),
        cmocka_unit_test(effects_are_plain_sums_whatever_the_norm),
        cmocka_unit_test(only_tokens_of_the_vocabulary_are_listed),
        cmocka_unit_test(a_neuron_has_the_same_effects_in_any_company),
        cmocka_unit_test(equal_tokens_are_listed_from_the_lower_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
