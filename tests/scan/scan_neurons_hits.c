#include "tests/scan/scan_neurons_hits.h"

#include "tests/kit/golden.h"

#include <math.h>

#include "tests/kit/scan_kit.h"
#include "tests/scan/scan_neurons_corpus.h"

static struct json_object *member(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;
    assert_true(json_object_object_get_ex(o, key, &value));
    return value;
}

/* credit[pair][model][neuron] and how many hits. */
struct credits {
    double credit[2][3][SMALL_D_MLP];
    int64_t hits[2][3][SMALL_D_MLP];
};

static void add_credits(struct credits *c, int64_t pair, const char *detail)
{
    static const char *const names[] = {"attn-only-1l", "gelu-1l", "solu-1l"};
    struct json_object *o = golden_parse(detail), *others = member(o, "others");
    for (size_t i = 0; i < json_object_array_length(others); i++) {
        struct json_object *other = json_object_array_get_idx(others, i),
                           *neurons = member(member(other, "attribution"), "neurons");
        size_t m = 0;
        while (strcmp(names[m], json_object_get_string(member(other, "model"))) != 0) {
            m++;
        }
        for (size_t k = 0; k < json_object_array_length(neurons); k++) {
            struct json_object *neuron = json_object_array_get_idx(neurons, k);
            unsigned index;
            assert_int_equal(sscanf(json_object_get_string(json_object_array_get_idx(neuron, 0)),
                                    "L0N%u", &index),
                             1);
            assert_true(index < SMALL_D_MLP);
            c->credit[pair][m][index] += golden_number(neuron, 1);
            c->hits[pair][m][index]++;
        }
    }
    json_object_put(o);
}

void credit_is_the_sum_over_hits(void **state)
{
    (void)state;
    need_all();
    sqlite3 *db = kit_db("all.db");
    struct credits *c = calloc(1, sizeof *c);
    size_t n = 0, wanted = 0;
    assert_non_null(c);
    sqlite3_stmt *s = kit_query(db, "SELECT pair, detail FROM hit WHERE side = 'other'");
    while (kit_next(s)) {
        add_credits(c, sqlite3_column_int64(s, 0), (const char *)sqlite3_column_text(s, 1));
    }
    s = kit_query(db, "SELECT pair, model, idx, hits, credit FROM gap_credit WHERE layer = 0");
    for (; kit_next(s); n++) {
        const int pair = sqlite3_column_int(s, 0), m = sqlite3_column_int(s, 1),
                  i = sqlite3_column_int(s, 2);
        assert_int_equal(sqlite3_column_int64(s, 3), c->hits[pair][m][i]);
        assert_true(fabs(sqlite3_column_double(s, 4) - c->credit[pair][m][i]) <
                    1e-6 * (double)c->hits[pair][m][i]);
    }
    for (size_t i = 0; i < 2 * 3 * SMALL_D_MLP; i++) {
        wanted += (&c->hits[0][0][0])[i] > 0;
    }
    assert_true(wanted > 50);
    assert_int_equal(n, wanted);
    free(c);
    sqlite3_close(db);
}

/* The lines of "gapscope label" and "tokenize", by document. */
static size_t read_lines(struct json_object **out, size_t most, const char *command)
{
    struct kit_ran r = {0};
    size_t n = 0;
    kit_run(&r, "gapscope %s" CORPUS, command);
    assert_int_equal(r.status, 0);
    for (char *line = strtok(r.out.data, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(n < most);
        out[n] = golden_parse(line);
        assert_int_equal(json_object_get_int64(member(out[n], "doc")), n);
        n++;
    }
    kit_ran_free(&r);
    return n;
}

#define NAMES 5

void hits_say_which_hypotheses_label_them(void **state)
{
    (void)state;
    need_all();
    static const char *const names[NAMES] = {"word", "stop", "number", "all", "never"};
    struct json_object *labels[64], *tokens[64];
    const size_t n = read_lines(labels, 64, "label --model model/demo/gelu-1l" HYPOTHESES);
    assert_int_equal(read_lines(tokens, 64, "tokenize --model model/demo/gelu-1l --plain-special"),
                     n);
    sqlite3 *db = kit_db("all.db");
    int64_t labelled[NAMES] = {0}, seen[NAMES] = {0};
    for (size_t d = 0; d < n; d++) {
        for (size_t h = 0; h < NAMES; h++) {
            struct json_object *l = member(member(labels[d], "labels"), names[h]);
            for (size_t i = 0; i < json_object_array_length(l); i++) {
                labelled[h] += golden_number(l, i) > 0;
            }
        }
    }
    for (size_t h = 0; h < NAMES; h++) {
        assert_int_equal(kit_number(db, "SELECT tokens FROM hypothesis WHERE id = %zu", h),
                         labelled[h]);
    }
    sqlite3_stmt *s = kit_query(db, "SELECT doc, byte_end, detail FROM hit");
    while (kit_next(s)) {
        const int64_t d = sqlite3_column_int64(s, 0), end = sqlite3_column_int64(s, 1);
        struct json_object *ends = member(tokens[d], "ends"),
                           *detail = golden_parse((const char *)sqlite3_column_text(s, 2)),
                           *said = member(detail, "hypotheses");
        size_t at = 0, k = 0;
        while ((int64_t)golden_number(ends, at) != end) {
            at++;
        }
        for (size_t h = 0; h < NAMES; h++) {
            if (golden_number(member(member(labels[d], "labels"), names[h]), at) > 0) {
                assert_string_equal(json_object_get_string(json_object_array_get_idx(said, k++)),
                                    names[h]);
                seen[h]++;
            }
        }
        assert_int_equal(json_object_array_length(said), k);
        json_object_put(detail);
    }
    assert_true(seen[0] > 5 && seen[3] > 5 && seen[4] == 0);
    for (size_t d = 0; d < n; d++) {
        json_object_put(labels[d]);
        json_object_put(tokens[d]);
    }
    sqlite3_close(db);
}

/* How great they are is test_effects' business. */
void effects_have_fifteen_tokens_either_way(void **state)
{
    (void)state;
    need_all();
    sqlite3 *db = kit_db("all.db");
    expect_number(db, 2 * SMALL_D_MLP * 4 * 15, "SELECT count(*) FROM effect");
    expect_number(db, 0,
                  "SELECT count(*) FROM effect WHERE rank NOT BETWEEN 1 AND 15 OR value IS "
                  "NULL OR token NOT BETWEEN 0 AND 4095 OR kind NOT IN ('output_top', "
                  "'output_bottom', 'input_top', 'input_bottom')");
    expect_number(db, 0,
                  "SELECT count(*) FROM effect a JOIN effect b ON a.model = b.model AND a.layer = "
                  "b.layer AND "
                  "a.idx = b.idx AND a.kind = b.kind AND a.rank + 1 = b.rank WHERE "
                  "CASE WHEN a.kind LIKE '%top' THEN a.value < b.value ELSE a.value > "
                  "b.value END");
    expect_number(db, 0,
                  "SELECT count(*) FROM (SELECT 1 FROM effect GROUP BY model, idx, kind "
                  "HAVING count(DISTINCT token) <> 15)");
    sqlite3_close(db);
}
