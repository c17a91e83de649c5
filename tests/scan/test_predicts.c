/*
 * `predicts: this` and `predicts: next`, with models whose gap is known: 1 nat at the token after X,
 * 0 at all others.
 *
 * Both have one-hot embeddings and no attention.  The base knows nothing: each of V tokens has the
 * probability 1/V.  The other speaks for Y behind X with the logit a, e^a = e (V - 1) / (V - e), so
 * that P(Y) there is e/V, and has one neuron, which fires at X and writes nothing.
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <math.h>
#include <sys/stat.h>

#define V ((size_t)40)
#define X 7
#define Y 8
#define Z 9

// --- models -------------------------------------------------------------------------------------

struct tensor {
    const char *name;
    size_t shape[3];   // 0: no more axes
    const float *data; // NULL: zeros
};

static size_t size_of(const struct tensor *t)
{
    return t->shape[0] * (t->shape[1] ? t->shape[1] : 1) * (t->shape[2] ? t->shape[2] : 1);
}

static void write_weights(const char *name, const struct tensor *tensors, size_t n)
{
    static const float zeros[V * V];
    struct buf header = {0}, data = {0}, all = {0};
    for (size_t k = 0; k < n; k++) {
        const struct tensor *t = &tensors[k];
        const size_t bytes = size_of(t) * sizeof(float);
        buf_printf(&header, NULL, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu", k > 0 ? ',' : '{',
                   t->name, t->shape[0]);
        for (size_t i = 1; i < 3 && t->shape[i] > 0; i++) {
            buf_printf(&header, NULL, ",%zu", t->shape[i]);
        }
        buf_printf(&header, NULL, "],\"data_offsets\":[%zu,%zu]}", data.len, data.len + bytes);
        buf_append(&data, t->data ? t->data : zeros, bytes, NULL);
    }
    buf_printf(&header, NULL, "}");
    const uint64_t len = header.len;
    buf_append(&all, &len, sizeof len, NULL);
    buf_append(&all, header.data, header.len, NULL);
    buf_append(&all, data.data, data.len, NULL);
    kit_write_bytes(name, all.data, all.len);
    buf_free(&header);
    buf_free(&data);
    buf_free(&all);
}

static void write_model(const char *name, bool knows)
{
    static float W_E[V * V], W_U[V * V], W_in[V], b_in[1];
    char path[64], config[256];
    memset(W_U, 0, sizeof W_U);
    for (size_t i = 0; i < V; i++) {
        W_E[i * V + i] = 1;
    }
    W_U[X * V + Y] = knows ? (float)log(M_E * (V - 1) / (V - M_E)) : 0;
    W_in[X] = 8;
    b_in[0] = -4;
    const struct tensor tensors[] = {
        {"embed.W_E", {V, V}, W_E},
        {"pos_embed.W_pos", {16, V}, NULL},
        {"blocks.0.attn.W_Q", {1, V, 1}, NULL},
        {"blocks.0.attn.W_K", {1, V, 1}, NULL},
        {"blocks.0.attn.W_V", {1, V, 1}, NULL},
        {"blocks.0.attn.W_O", {1, 1, V}, NULL},
        {"unembed.W_U", {V, V}, W_U},
        {"blocks.0.mlp.W_in", {V, 1}, W_in},
        {"blocks.0.mlp.b_in", {1}, b_in},
        {"blocks.0.mlp.W_out", {1, V}, NULL},
    };
    assert_int_equal(mkdir(kit_path(name), 0777), 0);
    const int len = snprintf(config, sizeof config,
                             "{\"n_layers\":1,\"d_model\":%zu,\"n_ctx\":16,\"d_head\":1,"
                             "\"n_heads\":1,\"d_mlp\":1,\"d_vocab\":%zu,\"act_fn\":\"gelu\","
                             "\"attn_only\":false,\"normalization_type\":null}\n",
                             V, V);
    snprintf(path, sizeof path, "%s/config.json", name);
    kit_write_bytes(path, config, (size_t)len);
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    write_weights(path, tensors, sizeof tensors / sizeof *tensors);
}

// --- a corpus -----------------------------------------------------------------------------------

/* Each document is a window; four have an X without a next token, one has two. */
static const char corpus[] = "{\"ids\":[0,7,8,9,7,8,7]}\n"
                             "{\"ids\":[0,9,9,7,8]}\n"
                             "{\"ids\":[0,7]}\n"
                             "{\"ids\":[0,11,7]}\n"
                             "{\"ids\":[0,8,9,11,12]}\n"
                             "{\"ids\":[0,7,8,9,13,7,8,9,9,7]}\n";
#define N_X 9    // labelled tokens
#define N_NEXT 5 // of these with a token after them
#define N_ALL 26

#define HYPOTHESES(predicts)                                                                       \
    "hypotheses:\n- {name: at, ids: [7]}\n- {name: after, ids: [7], predicts: " predicts "}\n"

static int setup(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    write_model("zero", false);
    write_model("one", true);
    kit_write_bytes("c.jsonl", corpus, sizeof corpus - 1);
    kit_write_bytes("next.yaml", HYPOTHESES("next"), sizeof HYPOTHESES("next") - 1);
    kit_write_bytes("this.yaml", HYPOTHESES("this"), sizeof HYPOTHESES("this") - 1);
    return 0;
}

#define SCAN                                                                                       \
    "gapscope scan --ids --precision exact --model $T/zero --model $T/one --threads 2 "            \
    "--checkpoint 0 "

static double real(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = kit_query(db, "%s", sql);
    assert_true(kit_next(s));
    assert_int_equal(sqlite3_column_type(s, 0), SQLITE_FLOAT);
    const double value = sqlite3_column_double(s, 0);
    assert_false(kit_next(s));
    return value;
}

static void expect(sqlite3 *db, double wanted, const char *sql)
{
    const double value = real(db, sql);
    if (!(fabs(value - wanted) < 3e-6)) {
        fail_msg("%s: %.9f, expected %.9f", sql, value, wanted);
    }
}

#define LEDGER(column, h) "SELECT " column " FROM ledger WHERE name = '" h "'"

/* The ledger of hypotheses 'at' and 'after'. */
static void expect_ledger(sqlite3 *db)
{
    assert_int_equal(kit_number(db, LEDGER("n", "at")), N_X);
    assert_int_equal(kit_number(db, LEDGER("n", "after")), N_NEXT);
    expect(db, 0, LEDGER("mean_gap", "at"));
    expect(db, 1, LEDGER("mean_gap", "after"));
    expect(db, (double)N_NEXT / (N_ALL - N_X), LEDGER("mean_gap_rest", "at"));
    expect(db, 0, LEDGER("mean_gap_rest", "after"));
    for (size_t i = 0; i < 2; i++) {
        expect(db, 0, i ? LEDGER("share_of_gap", "at") : LEDGER("share_of_gain", "at"));
        expect(db, 1, i ? LEDGER("share_of_gap", "after") : LEDGER("share_of_gain", "after"));
    }
    expect(db, 0, LEDGER("share_beyond_earlier", "at"));
    expect(db, 1, LEDGER("share_beyond_earlier", "after"));
    expect(db, 1, LEDGER("gain_beyond_earlier", "after"));
}

// --- tests --------------------------------------------------------------------------------------

static void gaps_are_taken_where_it_predicts(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "--hypotheses $T/next.yaml -o $T/next.db $T/c.jsonl");
    sqlite3 *db = kit_db("next.db");
    assert_int_equal(kit_number(db, "SELECT tokens FROM pair"), N_ALL);
    expect(db, (double)N_NEXT / N_ALL, "SELECT mean_gap FROM pair");
    expect_ledger(db);
    // the hits are the Ys, and 'after' is what labels them
    assert_int_equal(kit_number(db, "SELECT count(*) FROM hit WHERE side = 'other' AND gap > 0.5 "
                                    "AND (token <> 8 OR json_extract(detail, '$.hypotheses') <> "
                                    "'[\"after\"]')"),
                     0);
    assert_true(kit_number(db, "SELECT count(*) FROM hit WHERE side = 'other' AND gap > 0.5") > 0);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM hypothesis WHERE tokens = 9 AND docs = 5 "
                                    "AND tokens_seen = 26"),
                     2);
    assert_int_equal(
        kit_number(db, "SELECT predicts = 'next' FROM hypothesis WHERE name = 'after'"), 1);
    assert_int_equal(kit_number(db, "SELECT predicts = 'this' FROM hypothesis WHERE name = 'at'"),
                     1);
    sqlite3_close(db);
}

static void activations_are_taken_at_the_label(void **state)
{
    (void)state;
    sqlite3 *db = kit_db("next.db");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM score WHERE split = 'all' AND n_pos = 9 "
                                    "AND n_neg = 17 AND auroc = 1 AND average_precision = 1"),
                     4);
    assert_int_equal(
        kit_number(db, "SELECT count(*) FROM score a JOIN score b USING(model, layer, idx, split) "
                       "WHERE a.hypothesis = 0 AND b.hypothesis = 1 AND a.n_pos IS b.n_pos AND "
                       "a.mean_pos IS b.mean_pos AND a.r IS b.r AND a.threshold IS b.threshold AND "
                       "a.auroc IS b.auroc AND a.mutual_information IS b.mutual_information"),
        2 * 3);
    sqlite3_close(db);
}

static void views_say_what_it_predicts(void **state)
{
    (void)state;
    kit_expect(0, NULL, "COLUMNS=400 gapscope hypo $T/next.db | grep -q 'those: after;'");
    kit_expect(0, NULL, "gapscope hypo $T/next.db after | grep -q '^predicts next: '");
    kit_expect(0, NULL, "gapscope hypo $T/next.db at | grep -q '^predicts this: '");
    kit_expect(0, NULL, "gapscope hypo $T/next.db --json | grep -q '\"predicts\":\"next\"'");
    kit_expect(0, NULL, "gapscope hypo $T/next.db at --json | grep -q '\"predicts\":\"this\"'");
    kit_expect(0, NULL,
               "gapscope export $T/next.db --format csv -o $T/csv && "
               "head -1 $T/csv/hypothesis.csv | grep -q predicts && "
               "grep -q ',next' $T/csv/hypothesis.csv");
}

/* Its output weights are 0; the token X alone drives it, and V is few enough that all are ends. */
static void a_neuron_of_weights_0_raises_nothing(void **state)
{
    (void)state;
    sqlite3 *db = kit_db("next.db");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM effect WHERE kind LIKE 'output%%'"), 0);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM effect WHERE kind = 'input_top'"), 2);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM effect WHERE kind = 'input_top' AND "
                                    "token = 7 AND value > 7"),
                     2);
    sqlite3_close(db);
    kit_expect(0, NULL, "gapscope neuron $T/next.db one:L0N0 | grep -q 'it writes nothing'");
}

static void another_prediction_is_another_run(void **state)
{
    (void)state;
    kit_expect(1, "hypothesis after: one has tokens {\"ids\":[7],\"predicts\":\"next\"}",
               SCAN "--hypotheses $T/this.yaml -o $T/next.db $T/c.jsonl");
    kit_expect(0, NULL,
               SCAN "--hypotheses $T/next.yaml --part 0/2 -o $T/n0.db $T/c.jsonl && " SCAN
                    "--hypotheses $T/next.yaml --part 1/2 -o $T/n1.db $T/c.jsonl && " SCAN
                    "--hypotheses $T/this.yaml --part 1/2 -o $T/t1.db $T/c.jsonl");
    kit_expect(1, "hypothesis after: one has ", "gapscope merge -o $T/mixed.db $T/n0.db $T/t1.db");
    kit_expect(0, NULL, "gapscope merge -o $T/merged.db $T/n1.db $T/n0.db");
    sqlite3 *db = kit_db("merged.db");
    expect_ledger(db);
    sqlite3_close(db);
    char whole[33], merged[33];
    kit_digest(whole, "next.db");
    kit_digest(merged, "merged.db");
    assert_string_equal(whole, merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_taken_where_it_predicts),
        cmocka_unit_test(activations_are_taken_at_the_label),
        cmocka_unit_test(views_say_what_it_predicts),
        cmocka_unit_test(a_neuron_of_weights_0_raises_nothing),
        cmocka_unit_test(another_prediction_is_another_run),
    };
    return cmocka_run_group_tests(tests, setup, kit_remove_folder);
}
