/*
 * What commands show of a model's inside in single windows: attention (acts --head) and the logit
 * lens (score --lens), against the reference pass.
 */
#include "tests/kit/golden_model.h"

#include <math.h>

#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/kit/shell.h"

#define MOST 2e-5
#define MAX_IDS 96

static const char *const names[] = {"attn-only-3l",    "gelu-2l",         "solu-4l",
                                    "SoLU_4L_v11_old", "redwood_attn_2l", "attn-only-2l-demo"};
#define N_NAMES (sizeof names / sizeof *names)

/* The ids of the first documents of a model's golden.json, as the program reads them. */
static struct json_object *write_ids(const char *name)
{
    char path[256], command[256];
    snprintf(path, sizeof path, "tests/golden/models/%s/golden.json", name);
    struct json_object *golden = golden_json(path);
    struct json_object *documents = json_member(golden, "documents");
    snprintf(command, sizeof command, "%s/ids.jsonl", folder);
    FILE *to = fopen(command, "w");
    assert_non_null(to);
    for (size_t i = 0; i < json_object_array_length(documents); i++) {
        struct json_object *ids = json_member(json_object_array_get_idx(documents, i), "ids");
        fprintf(to, "{\"ids\":%s}\n", json_object_to_json_string(ids));
    }
    assert_int_equal(fclose(to), 0);
    return golden;
}

/* Line i of what was printed; the caller puts it. */
static struct json_object *line_of(const struct ran *r, size_t i)
{
    char *at = r->out.data;
    for (; i > 0; i--) {
        at = strchr(at, '\n') + 1;
    }
    const size_t len = strcspn(at, "\n");
    char *text = strndup(at, len);
    struct json_object *line = golden_parse(text);
    free(text);
    return line;
}

static size_t ids_of(struct json_object *line, uint32_t *ids)
{
    struct json_object *list = json_member(line, "ids");
    const size_t n = json_object_array_length(list);
    assert_true(n <= MAX_IDS);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t)golden_number(list, i);
    }
    return n;
}

// --- attention ----------------------------------------------------------------------------------

struct kept {
    size_t layer, head;
    float pattern[MAX_IDS * MAX_IDS];
};

static void keep(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    struct kept *k = context;
    if (layer == k->layer && head == k->head) {
        memcpy(k->pattern, pattern, n * n * sizeof *pattern);
    }
}

static void check_pattern(struct json_object *line, const struct model *m, struct forward *f,
                          size_t layer, size_t head)
{
    static struct kept kept;
    const struct forward_hooks hooks = {.context = &kept, .pattern = keep};
    char name[64];
    uint32_t ids[MAX_IDS];
    const size_t n = ids_of(line, ids);
    kept.layer = layer;
    kept.head = head;
    forward_run(f, ids, n, &hooks);
    snprintf(name, sizeof name, "L%zuH%zu", layer, head);
    struct json_object *rows = json_member(json_member(json_member(line, "pattern"), "x"), name);
    assert_int_equal(json_object_array_length(rows), n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        double sum = 0;
        assert_int_equal(json_object_array_length(row), i + 1);
        for (size_t j = 0; j <= i; j++) {
            const double value = golden_number(row, j);
            if (!(fabs(value - (double)kept.pattern[i * n + j]) <= MOST)) {
                fail_msg("%s %s [%zu][%zu]: %g, not %g", m->name, name, i, j, value,
                         (double)kept.pattern[i * n + j]);
            }
            sum += value;
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
}

static void acts_gives_the_attention_of_the_reference_pass(void **state)
{
    (void)state;
    struct ran r = {0};
    for (size_t i = 0; i < N_NAMES; i++) {
        struct model *m = golden_model(names[i]);
        struct json_object *golden = write_ids(names[i]);
        const size_t layer = m->config.n_layers - 1, head = m->config.n_heads - 1;
        struct forward *f;
        char command[256];
        snprintf(command, sizeof command,
                 "gapscope acts --model x=tests/golden/models/%s --ids --head L%zuH%zu --head "
                 "x:L0H1 $T/ids.jsonl",
                 names[i], layer, head);
        run(&r, command);
        assert_int_equal(r.status, 0);
        assert_int_equal(forward_new(&f, m, NULL), 0);
        for (size_t k = 0; k < json_object_array_length(json_member(golden, "documents")); k++) {
            struct json_object *line = line_of(&r, k);
            assert_null(json_member(line, "acts"));
            check_pattern(line, m, f, layer, head);
            json_object_put(line);
        }
        forward_free(f);
        json_object_put(golden);
        model_free(m);
    }
    ran_free(&r);
}

/* The greatest sources of each token, with their numbers, and no more of them than fit. */
static void people_see_where_a_head_looks(void **state)
{
    (void)state;
    struct ran r = {0};
    const char *const command = "printf 'The cat sat. The cat sat.' | COLUMNS=%s gapscope acts "
                                "--model model/demo/attn-only-2l --head L1H3 --show -";
    char line[256];
    snprintf(line, sizeof line, command, "200");
    run(&r, line);
    assert_int_equal(r.status, 0);
    assert_non_null(
        strstr(r.out.data, "doc 0, window 0: attn-only-2l L1H3 looks at\n  position  token"));
    assert_non_null(strstr(r.out.data, "\n         0  BOS     1.000 0 BOS "));
    assert_non_null(strstr(r.out.data, "fifth"));
    snprintf(line, sizeof line, command, "60");
    run(&r, line);
    assert_non_null(strstr(r.out.data, "  most\n"));
    assert_null(strstr(r.out.data, "second"));
    for (const char *at = r.out.data; *at; at += strcspn(at, "\n") + 1) {
        assert_true(strcspn(at, "\n") <= 64); // bytes; 60 characters
    }
    run(&r, "echo '{\"ids\":[0,5,9,5]}' | gapscope acts --model model/demo/gelu-1l --ids --show "
            "--head L0H0 --neuron L0N7 -");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.data, "activations\n  position  token     L0N7\n"));
    assert_non_null(strstr(r.out.data, " 0 0 "));
    ran_free(&r);
}

// --- the logit lens -----------------------------------------------------------------------------

/* ln P of the next tokens by the model's first layers alone. */
static void cut_model(const struct model *m, size_t n_layers, const uint32_t *ids, size_t n,
                      double *logprob)
{
    struct model cut = *m;
    struct forward *f;
    float *logits = malloc(m->config.d_vocab * sizeof *logits);
    cut.config.n_layers = n_layers;
    assert_non_null(logits);
    assert_int_equal(forward_new(&f, &cut, NULL), 0);
    forward_run(f, ids, n, NULL);
    for (size_t i = 0; i + 1 < n; i++) {
        forward_logits(f, i, 1, logits);
        logprob[i] = (double)logits[ids[i + 1]] - logprob_log_sum_exp(logits, m->config.d_vocab);
    }
    forward_free(f);
    free(logits);
}

static void the_lens_says_what_a_model_cut_behind_each_layer_says(void **state)
{
    (void)state;
    struct ran r = {0};
    double most = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        struct model *m = golden_model(names[i]);
        struct json_object *golden = write_ids(names[i]);
        char command[256];
        snprintf(command, sizeof command,
                 "gapscope score --model x=tests/golden/models/%s --ids --lens $T/ids.jsonl",
                 names[i]);
        run(&r, command);
        assert_int_equal(r.status, 0);
        for (size_t k = 0; k < json_object_array_length(json_member(golden, "documents")); k++) {
            struct json_object *line = line_of(&r, k);
            struct json_object *lens = json_member(json_member(line, "lens"), "x");
            struct json_object *own = json_member(json_member(line, "logprob"), "x");
            uint32_t ids[MAX_IDS];
            const size_t n = ids_of(line, ids);
            assert_int_equal(json_object_array_length(lens), m->config.n_layers);
            for (size_t l = 0; l < m->config.n_layers; l++) {
                struct json_object *layer = json_object_array_get_idx(lens, l);
                double expected[MAX_IDS];
                assert_int_equal(json_object_array_length(layer), n - 1);
                cut_model(m, l + 1, ids, n, expected);
                for (size_t t = 0; t + 1 < n; t++) {
                    const double error = fabs(golden_number(layer, t) - expected[t]);
                    most = fmax(most, error);
                    assert_true(error <= MOST);
                    if (l + 1 == m->config.n_layers) {
                        assert_true(fabs(golden_number(layer, t) - golden_number(own, t)) <= 1e-5);
                    }
                }
            }
            json_object_put(line);
        }
        json_object_put(golden);
        model_free(m);
    }
    printf("largest error %.1e\n", most);
    ran_free(&r);
}

static void the_lens_of_a_changed_model_begins_to_differ_where_it_is_changed(void **state)
{
    (void)state;
    struct ran r = {0};
    run(&r,
        "printf 'a short text, and another one' | gapscope score --model a=model/demo/attn-only-2l "
        "--model b=model/demo/attn-only-2l@zero.L1H3 --lens --precision fast -");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err.data, "b: loss behind L0 "));
    struct json_object *line = line_of(&r, 0), *lens = json_member(line, "lens");
    struct json_object *a = json_member(lens, "a"), *b = json_member(lens, "b");
    double differ = 0;
    for (size_t l = 0; l < 2; l++) {
        struct json_object *x = json_object_array_get_idx(a, l);
        struct json_object *y = json_object_array_get_idx(b, l);
        for (size_t i = 0; i < json_object_array_length(x); i++) {
            const double d = fabs(golden_number(x, i) - golden_number(y, i));
            assert_true(l > 0 || d == 0);
            differ = fmax(differ, d);
        }
    }
    assert_true(differ > 0.01);
    json_object_put(line);
    ran_free(&r);
}

// --- what is refused ----------------------------------------------------------------------------

#define ACTS "gapscope acts --model model/demo/attn-only-2l "
#define SCORE "gapscope score --lens --model model/demo/attn-only-2l"

static void what_cannot_be_shown_is_refused_by_name(void **state)
{
    (void)state;
    const struct shell_case cases[] = {
        {ACTS "LICENSE", 2, "--neuron is missing, e.g. --neuron L0N5, or --head, e.g. --head L1H3",
         ""},
        {ACTS "--head L2H0 LICENSE", 2, "--head L2H0: attn-only-2l has layers 0 to 1, heads 0 to 3",
         ""},
        {ACTS "--head L1H4 LICENSE", 2, "heads 0 to 3", ""},
        {ACTS "--head L1N4 LICENSE", 2, "expected L<layer>H<index>, e.g. L1H3", ""},
        {ACTS "--head L1H LICENSE", 2, "expected L<layer>H<index>", ""},
        {ACTS "--head L1H3x LICENSE", 2, "expected L<layer>H<index>", ""},
        {ACTS "--head 'L1H 3' LICENSE", 2, "expected L<layer>H<index>", ""},
        {ACTS "--head attn:L1H3 LICENSE", 2, "no --model has this name; did you mean", ""},
        {ACTS "--head L1H3 --site post LICENSE", 2, "--site is of neurons", ""},
        {SCORE "@zero.L0H1-L1H2.k LICENSE", 2, "score --lens", ""},
    };
    check_cases(cases, sizeof cases / sizeof *cases);
    struct ran r = {0};
    run(&r, "gapscope count -o $T/c.ngrams --model model/demo/attn-only-2l LICENSE");
    assert_int_equal(r.status, 0);
    run(&r, "gapscope score --lens --model model/demo/attn-only-2l --model $T/c.ngrams:2 LICENSE");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err.data, "counts"));
    ran_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acts_gives_the_attention_of_the_reference_pass),
        cmocka_unit_test(people_see_where_a_head_looks),
        cmocka_unit_test(the_lens_says_what_a_model_cut_behind_each_layer_says),
        cmocka_unit_test(the_lens_of_a_changed_model_begins_to_differ_where_it_is_changed),
        cmocka_unit_test(what_cannot_be_shown_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
