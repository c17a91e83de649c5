/*
 * Composition scores against TransformerLens in float64, and what chance gives against its draws.
 */
#include "tests/kit/golden_circuits.h"

#include <math.h>

#include "model/explain/composition.h"
#include "model/weights/tensorfile.h"
#include "tests/kit/scan_kit.h"

#define MOST 1e-6 // of scores, which are 0 to 1

static const char *const modes[] = {"Q", "K", "V"};

// --- TransformerLens ----------------------------------------------------------------------------

static double golden_pair(struct json_object *matrix, const struct composition_pair *p)
{
    return golden_number(json_object_array_get_idx(matrix, p->from), p->to);
}

/* The largest errors of scores; of the random means and sds, in units of what they may be off by. */
struct errors {
    double score, mean, sd;
    size_t n;
};

static void compare_mode(struct json_object *golden, const struct composition *c,
                         enum composition_mode mode, struct errors *e)
{
    struct json_object *scores = json_member(golden, "score");
    for (size_t p = 0; p < c->n_pairs; p++) {
        const struct composition_pair *pair = &c->pairs[mode][p];
        const double sd = golden_pair(json_member(golden, "random_sd"), pair);
        const double K = (double)c->draws;
        const double mean_off =
            (pair->random_mean - golden_pair(json_member(golden, "random_mean"), pair)) /
            sqrt(sd * sd / 1000 + sd * sd / K);
        const double sd_off = (pair->random_sd - sd) / (sd * sqrt(1.0 / 2000 + 1 / (2 * K)));
        e->score = fmax(e->score, fabs(pair->score - golden_pair(scores, pair)));
        e->mean = fmax(e->mean, fabs(mean_off));
        e->sd = fmax(e->sd, fabs(sd_off));
        e->n++;
        // E[score^2] = 1/d_model
        const double square =
            pair->random_mean * pair->random_mean + pair->random_sd * pair->random_sd * (K - 1) / K;
        const double off = 2 * c->rms * pair->random_sd / sqrt(K);
        assert_true(fabs(square - c->rms * c->rms) <= 5 * off);
    }
    for (size_t i = 0; i < json_object_array_length(scores); i++) { // no pair is missing
        struct json_object *row = json_object_array_get_idx(scores, i);
        for (size_t j = 0; j < json_object_array_length(row); j++) {
            bool found = false;
            for (size_t p = 0; p < c->n_pairs && !found; p++) {
                found = c->pairs[mode][p].from == i && c->pairs[mode][p].to == j;
            }
            assert_true(found == (golden_number(row, j) != 0));
        }
    }
}

static void scores_and_baselines_are_those_of_transformer_lens(void **state)
{
    (void)state;
    struct errors e = {0};
    size_t files = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS_FILES; i++) {
        struct golden_circuits g = golden_circuits_load(i);
        struct json_object *golden = json_member(g.json, "composition");
        struct composition c;
        if (golden) {
            assert_int_equal(composition_make(&c, g.model, false, NULL, NULL), 0);
            assert_int_equal(c.draws, 1000);
            assert_true(fabs(c.rms - json_object_get_double(json_member(golden, "rms_of_random"))) <
                        1e-8);
            for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
                compare_mode(json_member(golden, modes[mode]), &c, mode, &e);
            }
            composition_free(&c);
            files++;
        }
        golden_circuits_end(&g);
    }
    printf(
        "%zu files, %zu scores, largest error %.1e; random means %.2f, sds %.2f standard errors\n",
        files, e.n, e.score, e.mean, e.sd);
    assert_int_equal(files, 8);
    assert_true(e.score <= MOST && e.mean <= 4 && e.sd <= 4);
}

/* The singular values of a head's W_OV, by composition_squares() of its factors. */
static void check_singular_values(const struct model *m, size_t number, struct json_object *golden,
                                  double *most)
{
    const size_t D = m->config.d_model, d = m->config.d_head, n_heads = m->config.n_heads;
    const float *V = m->layers[number / n_heads].W_V + number % n_heads * D * d;
    const float *O = m->layers[number / n_heads].W_O + number % n_heads * D * d;
    double *vv = calloc(6 * d * d + d, sizeof *vv), *oo = vv + d * d, *s2 = oo + d * d;
    assert_non_null(vv);
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            for (size_t l = 0; l < D; l++) {
                vv[i * d + j] += (double)V[l * d + i] * (double)V[l * d + j];
                oo[i * d + j] += (double)O[i * D + l] * (double)O[j * D + l];
            }
        }
    }
    assert_true(composition_squares(vv, oo, d, s2, s2 + d));
    for (size_t i = 0; i < d; i++) {
        const double error =
            fabs(sqrt(s2[i]) - golden_number(golden, i)) / golden_number(golden, 0);
        *most = fmax(*most, error);
    }
    free(vv);
}

static void singular_values_are_those_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    size_t n = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS_FILES; i++) {
        struct golden_circuits g = golden_circuits_load(i);
        struct json_object *golden =
            json_member(json_member(g.json, "composition"), "singular_values_OV");
        if (golden) {
            json_object_object_foreach(golden, name, values)
            {
                size_t l, h;
                assert_int_equal(sscanf(name, "L%zuH%zu", &l, &h), 2);
                check_singular_values(g.model, l * g.model->config.n_heads + h, values, &most);
                n++;
            }
        }
        golden_circuits_end(&g);
    }
    printf("%zu heads, largest error %.1e\n", n, most);
    assert_true(n > 40 && most <= 1e-6);
}

// --- gaussian matrices --------------------------------------------------------------------------

/* A tensor of the file as f64; the caller frees it. */
static double *load(const struct tensorfile *file, const char *sample, const char *part, size_t n)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", sample, part);
    const struct tensor *t = tensorfile_find(file, name);
    float *values = malloc(n * sizeof *values);
    double *out = malloc(n * sizeof *out);
    assert_non_null(values);
    assert_non_null(out);
    assert_non_null(t);
    assert_int_equal(t->n, n);
    tensor_read_f32(file, t, values);
    for (size_t i = 0; i < n; i++) {
        out[i] = (double)values[i];
    }
    free(values);
    return out;
}

/* gram[d][d] of a[D][d] ('rows' false) or of a[d][D]. */
static double *gram(const double *a, size_t D, size_t d, bool rows)
{
    double *out = calloc(d * d, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            for (size_t l = 0; l < D; l++) {
                out[i * d + j] += rows ? a[i * D + l] * a[j * D + l] : a[l * d + i] * a[l * d + j];
            }
        }
    }
    return out;
}

static double *transposed(const double *a, size_t n, size_t m)
{
    double *out = malloc(n * m * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n * m; i++) {
        out[i % m * n + i / m] = a[i];
    }
    return out;
}

static double score_sample(const struct tensorfile *file, const char *name, size_t D, size_t d,
                           bool right_transposed)
{
    double *a = load(file, name, "left_V", D * d), *b = load(file, name, "left_O", D * d);
    double *A = load(file, name, "right_A", D * d), *B = load(file, name, "right_B", D * d);
    double *c = right_transposed ? transposed(B, d, D) : A;
    double *e = right_transposed ? transposed(A, D, d) : B;
    double *aa = gram(a, D, d, false), *bb = gram(b, D, d, true);
    double *cc = gram(c, D, d, false), *ee = gram(e, D, d, true);
    double *work = malloc(3 * d * d * sizeof *work);
    assert_non_null(work);
    const struct composition_factors f = {aa, b, bb, c, cc, ee};
    const double score = composition_score(&f, D, d, work);
    double *const all[] = {a, b, A, B, aa, bb, cc, ee, work};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
    if (right_transposed) {
        free(c);
        free(e);
    }
    return score;
}

static void gaussian_matrices_score_as_with_transformer_lens(void **state)
{
    (void)state;
    struct json_object *golden = golden_json("tests/golden/circuits/composition_gaussian.json");
    struct json_object *groups = json_member(golden, "groups");
    struct tensorfile *file;
    double most = 0;
    size_t n = 0;
    assert_int_equal(
        tensorfile_open(&file, "tests/golden/circuits/composition_gaussian.safetensors", NULL), 0);
    for (size_t g = 0; g < json_object_array_length(groups); g++) {
        struct json_object *group = json_object_array_get_idx(groups, g);
        struct json_object *samples = json_member(group, "samples");
        const size_t D = (size_t)json_object_get_int(json_member(group, "d_model"));
        const size_t d = (size_t)json_object_get_int(json_member(group, "d_head"));
        for (size_t i = 0; i < json_object_array_length(samples); i++) {
            struct json_object *sample = json_object_array_get_idx(samples, i);
            const char *name = json_object_get_string(json_member(sample, "name"));
            for (int t = 0; t < 2; t++) {
                const char *key = t ? "score_right_transposed" : "score";
                const double score = json_object_get_double(json_member(sample, key));
                most = fmax(most, fabs(score_sample(file, name, D, d, t) - score));
                n++;
            }
        }
    }
    printf("%zu scores, largest error %.1e\n", n, most);
    assert_true(n == 54 && most < 1e-10);
    tensorfile_close(file);
    json_object_put(golden);
}

// --- folded weights, ranks ----------------------------------------------------------------------

/* The model with ln1 and the centring folded into copies of its heads' weights. */
static void fold(struct model *m, struct layer *layers, float *memory)
{
    const struct config *c = &m->config;
    const size_t D = c->d_model, d = c->d_head, size = c->n_heads * D * d;
    for (size_t l = 0; l < c->n_layers; l++) {
        const float *const from[] = {m->layers[l].W_Q, m->layers[l].W_K, m->layers[l].W_V,
                                     m->layers[l].W_O};
        const float **const to[] = {&layers[l].W_Q, &layers[l].W_K, &layers[l].W_V, &layers[l].W_O};
        for (size_t k = 0; k < 4; k++) {
            // what is centred: columns of [D][d], rows of [d][D]
            const size_t step = k < 3 ? d : 1, next = k < 3 ? 1 : D;
            for (size_t h = 0; h < c->n_heads; h++) {
                for (size_t j = 0; j < d; j++) {
                    const size_t at = h * D * d + j * next;
                    double mean = 0;
                    for (size_t i = 0; i < D; i++) {
                        const double w = k < 3 && m->layers[l].ln1_w ? m->layers[l].ln1_w[i] : 1;
                        mean += w * from[k][at + i * step] / D;
                    }
                    for (size_t i = 0; i < D; i++) {
                        const double w = k < 3 && m->layers[l].ln1_w ? m->layers[l].ln1_w[i] : 1;
                        memory[at + i * step] = (float)(w * from[k][at + i * step] - mean);
                    }
                }
            }
            *to[k] = memory;
            memory += size;
        }
    }
    m->layers = layers;
}

static void folded_scores_are_raw_scores_of_folded_weights(void **state)
{
    (void)state;
    size_t differ = 0, n = 0;
    for (size_t i = 0; i < GOLDEN_CIRCUITS_FILES; i++) {
        struct golden_circuits g = golden_circuits_load(i);
        const struct config *c = &g.model->config;
        if (c->n_layers > (KIT_SLOW ? 2 : 3)) { // they take their time
            golden_circuits_end(&g);
            continue;
        }
        struct composition raw, folded, again;
        struct model copy = *g.model;
        struct layer *layers = calloc(c->n_layers, sizeof *layers);
        float *memory =
            calloc(4 * c->n_layers * c->n_heads * c->d_model * c->d_head, sizeof *memory);
        assert_non_null(layers);
        assert_non_null(memory);
        fold(&copy, layers, memory);
        assert_int_equal(composition_make(&raw, g.model, false, NULL, NULL), 0);
        assert_int_equal(composition_make(&folded, g.model, true, NULL, NULL), 0);
        assert_int_equal(
            composition_make(&again, c->norm == NORM_NONE ? g.model : &copy, false, NULL, NULL), 0);
        for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
            for (size_t p = 0; p < folded.n_pairs; p++) {
                const struct composition_pair *x = &folded.pairs[mode][p];
                const struct composition_pair *y = &again.pairs[mode][p];
                assert_true(fabs(x->score - y->score) < 1e-6);
                assert_true(fabs(x->random_mean - y->random_mean) < 1e-6);
                assert_true(fabs(composition_z(x) - (x->score - x->random_mean) / x->random_sd) <
                            1e-9);
                differ += x->score != raw.pairs[mode][p].score;
                n++;
            }
        }
        composition_free(&raw);
        composition_free(&folded);
        composition_free(&again);
        free(layers);
        free(memory);
        golden_circuits_end(&g);
    }
    assert_true(n > 0 && differ > n / 2);
}

static void ranks_count_the_greater_scores(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(2);
    struct composition c;
    assert_int_equal(composition_make(&c, g.model, true, NULL, NULL), 0);
    assert_int_equal(c.n_pairs, 3 * 16);
    for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
        for (size_t p = 0; p < c.n_pairs; p++) {
            size_t greater = 0;
            for (size_t q = 0; q < c.n_pairs; q++) {
                greater += c.pairs[mode][q].score > c.pairs[mode][p].score;
            }
            assert_int_equal(c.pairs[mode][p].rank, greater + 1);
        }
    }
    composition_free(&c);
    golden_circuits_end(&g);
}

/* A model of one layer has no pairs; a head whose weights are 0 has no score and the last ranks. */
static void what_has_no_score_comes_last(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(0);
    struct composition c;
    assert_int_equal(composition_make(&c, g.model, false, NULL, NULL), 0);
    assert_int_equal(c.n_pairs, 0);
    composition_free(&c);
    golden_circuits_end(&g);

    g = golden_circuits_load(2);
    struct layer layers[3];
    const struct config *config = &g.model->config;
    float *zero = calloc(config->n_heads * config->d_model * config->d_head, sizeof *zero);
    struct model copy = *g.model;
    memcpy(layers, g.model->layers, sizeof layers);
    layers[0].W_O = zero;
    copy.layers = layers;
    assert_non_null(zero);
    assert_int_equal(composition_make(&c, &copy, false, NULL, NULL), 0);
    for (size_t p = 0; p < c.n_pairs; p++) {
        const struct composition_pair *pair = &c.pairs[COMPOSITION_K][p];
        assert_true(isnan(pair->score) == (pair->from < 4));
        assert_true(isnan(composition_z(pair)) == (pair->from < 4));
        assert_true(pair->from < 4 ? pair->rank > 16 : pair->rank <= 16);
    }
    composition_free(&c);
    free(zero);
    golden_circuits_end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_and_baselines_are_those_of_transformer_lens),
        cmocka_unit_test(singular_values_are_those_of_transformer_lens),
        cmocka_unit_test(gaussian_matrices_score_as_with_transformer_lens),
        cmocka_unit_test(folded_scores_are_raw_scores_of_folded_weights),
        cmocka_unit_test(ranks_count_the_greater_scores),
        cmocka_unit_test(what_has_no_score_comes_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
