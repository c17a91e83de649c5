/*
 * The program as people run it: commands in a shell, what they print, and with which status they
 * end. Numbers are compared with the golden values of TransformerLens.
 */
#include "tests/kit/golden.h"

#include <math.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "tests/kit/shell.h"

#define ATTN "model/demo/attn-only-1l"
#define GELU "model/demo/gelu-1l"

/* Runs what must succeed and print nothing but results. */
static void run_well(struct ran *r, const char *command)
{
    run(r, command);
    if (r->status != 0 || r->err.len) {
        fail_msg("%s: status %d: %s", command, r->status, r->err.data);
    }
}

/* Line 'i' of the output as JSON; the caller puts it. */
static struct json_object *line_json(const struct ran *r, size_t i)
{
    const char *at = r->out.data;
    for (; i > 0; i--) {
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    struct json_parser *parser = json_parser_new();
    struct json_object *object = NULL;
    struct err err = {0};
    if (json_parse(parser, &object, at, strcspn(at, "\n"), &err)) {
        fail_msg("%.100s: %s", at, err.msg);
    }
    json_parser_free(parser);
    return object;
}

static size_t count_lines(const struct ran *r)
{
    size_t n = 0;
    for (const char *p = r->out.data; (p = strchr(p, '\n')); p++) {
        n++;
    }
    return n;
}

static void assert_near(struct json_object *values, struct json_object *golden, double tolerance)
{
    const size_t n = json_object_array_length(golden);
    assert_int_equal(json_object_array_length(values), n);
    for (size_t i = 0; i < n; i++) {
        const double d = golden_number(values, i) - golden_number(golden, i);
        if (!(fabs(d) <= tolerance)) {
            fail_msg("value %zu is off by %g", i, d);
        }
    }
}

// --- numbers ------------------------------------------------------------------------------------

static const char *const golden_models[] = {
    "attn-only-1l",   "attn-only-2l-demo", "attn-only-3l",    "gelu-1l",
    "gelu-2l",        "redwood_attn_2l",   "solu-1l",         "solu-4l",
    "SoLU_1L_v9_old", "SoLU_4L_v11_old",   "SoLU_8L_v21_old",
};
#define N_MODELS (sizeof golden_models / sizeof *golden_models)

/* The golden documents of a model as $T/ids.jsonl. */
static struct json_object *write_ids(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/models/%s/golden.json", name);
    struct json_object *golden = golden_json(path);
    struct json_object *documents = json_member(golden, "documents");
    snprintf(path, sizeof path, "%s/ids.jsonl", folder);
    FILE *f = fopen(path, "w");
    for (size_t i = 0; i < json_object_array_length(documents); i++) {
        struct json_object *doc = json_object_array_get_idx(documents, i);
        fprintf(f, "{\"ids\":%s}\n", json_object_to_json_string(json_member(doc, "ids")));
    }
    assert_int_equal(fclose(f), 0);
    return golden;
}

static void check_tops(struct json_object *top, struct json_object *golden)
{
    for (size_t t = 0; t < json_object_array_length(golden); t++) {
        struct json_object *one = json_object_array_get_idx(golden, t);
        struct json_object *ids = json_member(one, "ids"), *logprobs = json_member(one, "logprob");
        struct json_object *row =
            json_object_array_get_idx(top, json_object_get_uint64(json_member(one, "pos")));
        assert_int_equal(json_object_array_length(row), 10);
        for (size_t k = 0; k < 10; k++) {
            struct json_object *pair = json_object_array_get_idx(row, k);
            assert_true(golden_number(pair, 0) == golden_number(ids, k));
            assert_true(fabs(golden_number(pair, 1) - golden_number(logprobs, k)) < 2e-5);
        }
    }
}

static void score_gives_the_log_probs_of_transformer_lens(void **state)
{
    (void)state;
    struct ran r = {0};
    for (size_t m = 0; m < N_MODELS; m++) {
        const char *name = golden_models[m];
        struct json_object *golden = write_ids(name);
        struct json_object *documents = json_member(golden, "documents");
        char command[256];
        snprintf(command, sizeof command,
                 "gapscope score --model x=tests/golden/models/%s --ids --top 10 --entropy "
                 "$T/ids.jsonl 2>/dev/null",
                 name);
        run_well(&r, command);
        assert_int_equal(count_lines(&r), json_object_array_length(documents));
        for (size_t i = 0; i < json_object_array_length(documents); i++) {
            struct json_object *doc = json_object_array_get_idx(documents, i);
            struct json_object *line = line_json(&r, i);
            assert_int_equal(json_object_get_int(json_member(line, "doc")), (int)i);
            assert_int_equal(json_object_get_int(json_member(line, "window")), 0);
            assert_null(json_member(line, "ends"));
            assert_near(json_member(line, "ids"), json_member(doc, "ids"), 0);
            assert_near(json_member(json_member(line, "logprob"), "x"), json_member(doc, "logprob"),
                        2e-5);
            assert_near(json_member(json_member(line, "entropy"), "x"), json_member(doc, "entropy"),
                        2e-5);
            check_tops(json_member(json_member(line, "top"), "x"), json_member(doc, "top10"));
            json_object_put(line);
        }
        json_object_put(golden);
    }
    ran_free(&r);
}

/* Values at all sites of every golden neuron of one model, within 1e-5 of the largest. */
static void check_acts(const char *name, const char *site)
{
    struct ran r = {0};
    struct buf command = {0};
    struct json_object *golden = write_ids(name);
    struct json_object *documents = json_member(golden, "documents");
    struct json_object *neurons = json_member(json_object_array_get_idx(documents, 0), "neurons");
    buf_printf(&command, NULL, "gapscope acts --model tests/golden/models/%s --ids --site %s", name,
               site);
    json_object_object_foreach(neurons, neuron, sites)
    {
        assert_non_null(sites);
        buf_printf(&command, NULL, " --neuron %s", neuron);
    }
    buf_printf(&command, NULL, " $T/ids.jsonl");
    run_well(&r, command.data);
    for (size_t i = 0; i < json_object_array_length(documents); i++) {
        struct json_object *doc = json_object_array_get_idx(documents, i);
        struct json_object *line = line_json(&r, i);
        struct json_object *acts = json_member(json_member(line, "acts"), name);
        json_object_object_foreach(json_member(doc, "neurons"), neuron2, golden_sites)
        {
            struct json_object *values = json_member(golden_sites, site);
            double most = 0;
            for (size_t k = 0; k < json_object_array_length(values); k++) {
                most = fmax(most, fabs(golden_number(values, k)));
            }
            assert_near(json_member(acts, neuron2), values, 1e-5 * most + 0.51e-7);
        }
        json_object_put(line);
    }
    json_object_put(golden);
    buf_free(&command);
    ran_free(&r);
}

static void acts_gives_the_activations_of_transformer_lens(void **state)
{
    (void)state;
    static const char *const with_mlp[] = {"gelu-1l",        "gelu-2l",        "solu-1l",
                                           "solu-4l",        "SoLU_1L_v9_old", "SoLU_4L_v11_old",
                                           "SoLU_8L_v21_old"};
    for (size_t i = 0; i < sizeof with_mlp / sizeof *with_mlp; i++) {
        check_acts(with_mlp[i], "pre");
        check_acts(with_mlp[i], "post");
        if (i >= 2) {
            check_acts(with_mlp[i], "mid");
        }
    }
}

// --- windows of text ----------------------------------------------------------------------------

static void windows_tile_a_doc_and_begin_with_bos(void **state)
{
    (void)state;
    struct ran tokens = {0}, r = {0};
    run_well(&tokens, "gapscope tokenize --model " GELU " LICENSE");
    run_well(&r, "gapscope score --model " ATTN " --model " GELU " LICENSE 2>/dev/null");
    struct json_object *doc = line_json(&tokens, 0);
    struct json_object *ids = json_member(doc, "ids"), *ends = json_member(doc, "ends");
    const size_t n = json_object_array_length(ids);
    assert_true(n > 255); // more than one window of 256
    assert_int_equal(count_lines(&r), (n + 254) / 255);

    size_t at = 0;
    for (size_t w = 0; w < count_lines(&r); w++) {
        struct json_object *line = line_json(&r, w);
        struct json_object *window_ids = json_member(line, "ids");
        struct json_object *window_ends = json_member(line, "ends");
        const size_t len = json_object_array_length(window_ids);
        assert_int_equal(json_object_get_int(json_member(line, "window")), (int)w);
        assert_int_equal(json_object_array_length(window_ends), len);
        assert_int_equal(len, w + 1 < count_lines(&r) ? 256 : n - at + 1);
        assert_true(golden_number(window_ids, 0) == 0); // <|endoftext|>
        assert_true(golden_number(window_ends, 0) == (at ? golden_number(ends, at - 1) : 0));
        for (size_t i = 1; i < len; i++, at++) {
            assert_true(golden_number(window_ids, i) == golden_number(ids, at));
            assert_true(golden_number(window_ends, i) == golden_number(ends, at));
        }
        struct json_object *logprobs = json_member(line, "logprob");
        assert_int_equal(json_object_object_length(logprobs), 2);
        assert_int_equal(json_object_array_length(json_member(logprobs, "attn-only-1l")), len - 1);
        assert_int_equal(json_object_array_length(json_member(logprobs, "gelu-1l")), len - 1);
        json_object_put(line);
    }
    assert_int_equal(at, n);
    json_object_put(doc);
    ran_free(&tokens);
    ran_free(&r);
}

static void an_empty_doc_is_one_window_of_bos(void **state)
{
    (void)state;
    struct ran r = {0};
    run_well(&r, "echo '{\"text\":\"\"}' | gapscope score --model " GELU " - 2>/dev/null");
    assert_string_equal(r.out.data, "{\"doc\":0,\"window\":0,\"ids\":[0],\"ends\":[0],"
                                    "\"logprob\":{\"gelu-1l\":[]}}\n");
    run_well(&r, ": > $T/empty.txt; gapscope score --model " GELU " $T/empty.txt 2>/dev/null");
    assert_string_equal(r.out.data, "{\"doc\":0,\"window\":0,\"ids\":[0],\"ends\":[0],"
                                    "\"logprob\":{\"gelu-1l\":[]}}\n");
    ran_free(&r);
}

static void models_score_together_as_they_do_alone(void **state)
{
    (void)state;
    struct ran both = {0}, one = {0};
    run_well(&both, "gapscope score --model a=" ATTN " --model b=" GELU
                    " tests/cli/ice-cream.jsonl 2>/dev/null");
    run_well(&one, "gapscope score --model b=" GELU " tests/cli/ice-cream.jsonl 2>/dev/null");
    struct json_object *two = line_json(&both, 1), *alone = line_json(&one, 1);
    assert_near(json_member(json_member(two, "logprob"), "b"),
                json_member(json_member(alone, "logprob"), "b"), 0);
    json_object_put(two);
    json_object_put(alone);
    ran_free(&both);
    ran_free(&one);
}

// Mean loss on text that the models were not trained on would need a corpus; the loss on this
// licence text only shows that the files belong together: a model with a wrong tokenizer is above 8
// nats.
static void trained_models_predict_text(void **state)
{
    (void)state;
    static const char *const names[] = {"attn-only-1l", "attn-only-2l", "gelu-1l", "solu-1l"};
    struct ran r = {0};
    run_well(&r, "gapscope score --model " ATTN " --model model/demo/attn-only-2l --model " GELU
                 " --model model/demo/solu-1l LICENSE 2>/dev/null");
    struct json_object *line = line_json(&r, 0);
    for (size_t m = 0; m < 4; m++) {
        struct json_object *logprob = json_member(json_member(line, "logprob"), names[m]);
        const size_t n = json_object_array_length(logprob);
        double mean = 0;
        for (size_t i = 0; i < n; i++) {
            mean += golden_number(logprob, i) / (double)n;
        }
        assert_true(mean > -5 && mean < -1);
    }
    json_object_put(line);
    ran_free(&r);
}

// --- what people type ---------------------------------------------------------------------------

static void wrong_usage_says_what_is_meant(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"gapscope", 2, "usage: gapscope COMMAND", ""},
        {"gapscope --help", 0, NULL, NULL},
        {"gapscope help score", 0, NULL, NULL},
        {"gapscope --version", 0, NULL, NULL},
        {"gapscope scroe", 2, "unknown command scroe; did you mean score?", ""},
        {"gapscope frobnicate", 2, "unknown command frobnicate\n", ""},
        {"gapscope score --modle x y", 2, "unknown option --modle; did you mean --model?", ""},
        {"gapscope score -x", 2, "unknown option -x", ""},
        {"gapscope score --model", 2, "--model needs a value", ""},
        {"gapscope score LICENSE", 2, "--model is missing", ""},
        {"gapscope score --model gelu1l LICENSE", 1,
         "; did you mean gelu-1l, gelu-2l or gelu-3l?\n", ""},
        {"gapscope acts --model gelu-1k=" GELU " --neuron gelu-1m:L0N5 LICENSE", 2,
         "--neuron gelu-1m:L0N5: no --model has this name; did you mean gelu-1k?", ""},
        {"gapscope score --model " GELU, 2, "usage: gapscope score --model M", ""},
        {"gapscope score --model " GELU " a b", 2, "b: one operand too many", ""},
        {"gapscope score --model " GELU " --top ten LICENSE", 2,
         "--top ten: expected a whole number", ""},
        {"gapscope score --model " GELU " --top -1 LICENSE", 2, "--top -1: expected a whole number",
         ""},
        {"gapscope score --model " GELU " --top 99999999999999999999 LICENSE", 2, "a whole number",
         ""},
        {"gapscope score --model " GELU " --precision sloppy LICENSE", 2,
         "--precision sloppy: expected exact,", ""},
        {"gapscope score --model " GELU " --format xml LICENSE", 2,
         "--format xml: expected jsonl or text", ""},
        {"gapscope score --model " GELU " --model " GELU " LICENSE", 2,
         "two models are called gelu-1l", ""},
        {"gapscope tokenize LICENSE", 2, "--tokenizer FILE or --model M is missing", ""},
        {"gapscope acts --model " GELU " LICENSE", 2, "--neuron is missing", ""},
        {"gapscope acts --model " GELU " --neuron 5 LICENSE", 2, "expected L<layer>N<index>", ""},
        {"gapscope acts --model " GELU " --neuron L0N512 LICENSE", 2, "neurons 0 to 511", ""},
        {"gapscope acts --model " GELU " --neuron x:L0N1 LICENSE", 2, "no --model has this name",
         ""},
        {"gapscope acts --model " GELU " --neuron L0N1 --site top LICENSE", 2, "pre, mid or post",
         ""},
        {"gapscope scan", 2, "CORPUS is missing; usage: gapscope scan --model M", ""},
        {"gapscope top", 2, "run.db is missing; usage: gapscope top run.db [--pair A:B]", ""},
        {"gapscope neuron x.db", 2,
         "NAME:L0N424 is missing; usage: gapscope neuron run.db NAME:L0N424\n", ""},
        {"gapscope label", 2,
         "INPUT is missing; usage: gapscope label --hypotheses FILE.yaml|--regex NAME=PATTERN "
         "--tokenizer FILE|--model M [options] INPUT\n",
         ""},
        {"gapscope merge", 2, "part.db is missing; usage: gapscope merge -o run.db part.db...", ""},
        {"gapscope scan --model " GELU " LICENSE", 2, "-o run.db is missing", ""},
#define SCAN "gapscope scan --model " ATTN " --model " GELU " -o $T/run.db LICENSE "
        {SCAN "--pair gelu-1l", 2, "--pair gelu-1l: expected BASE:OTHER", ""},
        {SCAN "--pair gelu-1l:solu", 2, "--pair gelu-1l:solu: no --model is called \"solu\"", ""},
        {SCAN "--pair gelu-1l:gelu-1l", 2, "a model occurs twice in it", ""},
        {SCAN "--pair gelu-1l:attn-only-1l --pair gelu-1l:attn-only-1l", 2, "is given twice", ""},
        {SCAN "--model model/demo/solu-1l --pair gelu-1l:attn-only-1l+solu-1l "
              "--pair gelu-1l:solu-1l+attn-only-1l",
         2,
         "--pair gelu-1l:solu-1l+attn-only-1l is the same as --pair gelu-1l:attn-only-1l+solu-1l; "
         "give one",
         ""},
        {SCAN "--pair gelu-1l:attn-only-1l+attn-only-1l", 2, "a model occurs twice in it", ""},
        {SCAN "--top 16777217", 2, "--top 16777217: at most 16777216", ""},
        {SCAN "--part 2/2", 2, "--part 2/2: expected I/N", ""},
        {SCAN "--part 1", 2, "--part 1: expected I/N", ""},
        {SCAN "--part 0/2 --max-tokens 5", 2, "--max-tokens does not go with --part", ""},
        {SCAN "--floor 1", 2, "--floor 1: expected a number from -1000 to -0.1", ""},
        {SCAN "--checkpoint soon", 2, "--checkpoint soon: expected a number", ""},
        {SCAN "--packing pages", 2, "expected docs or rows", ""},
        {SCAN "--packing rows --ids", 2, "a list is a window", ""},
        {SCAN "--precision sloppy", 2, "expected exact, default or fast", ""},
        {SCAN "--kernels sse9", 2, "there are none of that name; this machine has", ""},
        {"test ! -e $T/run.db", 0, NULL, ""},
        {"gapscope pack LICENSE --level 20", 2, "--level 20: expected 1 to 19", ""},
    };
    CHECK_CASES(cases);
}

static void files_that_cannot_be_used_are_named(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"gapscope score --model " GELU " no/such/file", 1,
         "no/such/file: No such file or directory", ""},
        {"gapscope score --model " GELU " tests", 1, "gapscope pack", ""},
        {"gapscope score --model no-such-model LICENSE", 1, "no such folder, no alias", ""},
        {"gapscope score --model tests LICENSE", 1, "tests/config.json: No such file", ""},
        {"gapscope score --model tests/golden/models/gelu-1l LICENSE", 1,
         "no tokenizer.json in tests/golden/models/gelu-1l", ""},
        {"gapscope score --model tests/golden/models/gelu-1l --tokenizer " GELU
         "/tokenizer.json LICENSE",
         1, "the tokenizer has ids up to 4095, the model a d_vocab of 512", ""},
        {"gapscope acts --model " ATTN " --neuron L0N1 LICENSE", 1,
         "attention-only: it has no neurons", ""},
        {"gapscope acts --model " GELU " --neuron L0N1 --site mid LICENSE", 1, "has no site mid",
         ""},
        {SCAN "tests", 1, "gapscope pack", ""},
        {"cp -r " GELU " $T/no-bos && rm $T/no-bos/tokenizer_config.json && "
         "sed -i 's/<|endoftext|>/<|end|>/g' $T/no-bos/tokenizer.json",
         0, NULL, ""},
        {"gapscope scan --model $T/no-bos -o $T/none.db LICENSE", 1, "the tokenizer has no BOS",
         ""},
        {"gapscope score --model $T/no-bos LICENSE", 1, "the tokenizer has no BOS", ""},
        {"cp -r " GELU " $T/no-eos && rm $T/no-eos/tokenizer_config.json && "
         "sed -i 's/<|endoftext|>/<|BOS|>/g' $T/no-eos/tokenizer.json",
         0, NULL, ""},
        {"gapscope scan --model $T/no-eos --packing rows -o $T/none.db LICENSE", 1,
         "the tokenizer has no EOS", ""},
        {"test ! -e $T/none.db", 0, NULL, ""},
        {SCAN "no/such/file", 1, "no/such/file: No such file", ""},
        {"gapscope scan --model " GELU " -o /no/such/folder/run.db LICENSE", 1,
         "/no/such/folder/run.db: there is no folder /no", ""},
        {"gapscope tensors tests/golden/weights/hostile_os_system.pth", 1, "posix.system", ""},
        {"gapscope tensors " GELU "/model_final.pth --values W", 1, "no tensor W", ""},
        {"gapscope score --model " GELU " LICENSE > /dev/full", 1, "No space left on device", ""},
        {"gapscope score --model " GELU " LICENSE -o /no/such/folder/x", 1,
         "/no/such/folder/x: there is no folder /no", ""},
    };
    CHECK_CASES(cases);
}

static void ids_that_cannot_be_used_name_their_line(void **state)
{
    (void)state;
#define IDS "gapscope score --ids --model " GELU " - >/dev/null"
    static const struct shell_case cases[] = {
        {"printf '{\"ids\":[0,1]}\\n\\n{\"ids\":[]}\\n' | " IDS, 1, "line 3: \"ids\" is empty",
         NULL},
        {"printf '{\"ids\":[0,4096]}\\n' | " IDS, 1, "4096", NULL},
        {"printf '{\"ids\":[0,-1]}\\n' | " IDS, 1, "line 1", NULL},
        {"printf '{\"ids\":[0,1.5]}\\n' | " IDS, 1, "line 1", NULL},
        {"printf '{\"idz\":[0]}\\n' | " IDS, 1, "ids", NULL},
        {"printf '{\"ids\":[0,1' | " IDS, 1, "line 1", NULL},
        {"seq 1 257 | paste -sd, | sed 's/.*/{\"ids\":[&]}/' | " IDS, 1, "256", NULL},
    };
    CHECK_CASES(cases);
    static const struct shell_case good[] = {
        {"seq 1 256 | paste -sd, | sed 's/.*/{\"ids\":[&]}/' | gapscope score --ids --model " GELU
         " - 2>/dev/null | wc -l",
         0, NULL, "1\n"},
    };
    CHECK_CASES(good);
}

static void damage_is_told_after_what_is_whole(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"gapscope tokenize --model " GELU " tests/golden/zstd/truncated_header.jsonl.zst | wc -l",
         0, "truncated_stream", NULL},
        {"gapscope tokenize --model " GELU
         " tests/golden/zstd/truncated_header.jsonl.zst >$T/whole",
         1, "the whole lines before it were printed", ""},
        {"test $(wc -l < $T/whole) -gt 10", 0, NULL, ""},
        {"gapscope tokenize --model " GELU " tests/golden/zstd/odd_records.jsonl.zst >/dev/null", 0,
         "skipped: bad_json", ""},
        {"gapscope tokenize --strict --model " GELU
         " tests/golden/zstd/odd_records.jsonl.zst >/dev/null",
         1, "skipped: no_text_field", ""},
    };
    CHECK_CASES(cases);
}

static void models_with_other_tokenizers_are_refused_together(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"mkdir $T/other && cp " ATTN "/* $T/other/ && "
         "sed -i 's/^   \"i n\",/   \"@@@\",/; s/^   \"Ġ t\",/   \"i n\",/; s/\"@@@\"/\"Ġ t\"/' "
         "$T/other/tokenizer.json && ! cmp -s " ATTN "/tokenizer.json $T/other/tokenizer.json",
         0, NULL, ""},
        {"gapscope score --model " GELU " --model $T/other LICENSE", 1,
         "gelu-1l and other have different tokenizers (", ""},
        {"gapscope score --model " GELU " --tokenizer $T/other/tokenizer.json LICENSE", 1,
         "different tokenizers", ""},
        {"gapscope score --model " GELU " --model same=" ATTN " LICENSE >/dev/null 2>&1", 0, NULL,
         ""},
    };
    CHECK_CASES(cases);
}

static void results_are_as_they_were(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"printf 'ice cream' | gapscope tokenize --model " GELU " -", 0, NULL,
         "{\"doc\":0,\"ids\":[708,275,987],\"ends\":[3,5,9]}\n"},
        {"printf 'a<|endoftext|>b' | gapscope tokenize --model " GELU " -", 0, NULL,
         "{\"doc\":0,\"ids\":[99,0,100],\"ends\":[1,14,15]}\n"},
        {"printf 'a<|endoftext|>b' | gapscope tokenize --plain-special --model " GELU
         " - | grep -c '\\[99,0,'",
         1, NULL, "0\n"},
        {"printf 'a<|endoftext|>b' | gapscope score --special --model " GELU
         " - 2>/dev/null | grep -c '\"ids\":\\[0,99,0,100\\]'",
         0, NULL, "1\n"},
        {"printf 'a<|endoftext|>b' | gapscope score --model " GELU
         " - 2>/dev/null | grep -c '\"ids\":\\[0,99,0,100\\]'",
         1, NULL, "0\n"},
        {"gapscope tensors " GELU "/model_final.pth | head -n 2", 0, NULL,
         "{\"name\":\"embed.W_E\",\"dtype\":\"float32\",\"shape\":[4096,128]}\n"
         "{\"name\":\"pos_embed.W_pos\",\"dtype\":\"float32\",\"shape\":[256,128]}\n"},
        {"gapscope tensors tests/golden/weights/zip_plain_dict.pth --values i64 -o $T/values && "
         "cat $T/values",
         0, NULL, NULL},
        {"gapscope model " GELU " | grep -c 'all present, in shape and finite'", 0, NULL, "1\n"},
    };
    CHECK_CASES(cases);
}

static void a_packed_corpus_reads_back(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"gapscope pack LICENSE tests/cli -o $T/corpus.jsonl.zst", 0, "packed ", ""},
        {"gapscope pack LICENSE tests/cli > $T/again.zst", 0, "packed ", ""},
        {"cmp $T/corpus.jsonl.zst $T/again.zst", 0, NULL, ""},
        {"gapscope tokenize --model " GELU " $T/corpus.jsonl.zst | head -n 1 > $T/packed; "
         "gapscope tokenize --model " GELU " LICENSE | cmp - $T/packed",
         0, NULL, ""},
    };
    CHECK_CASES(cases);
}

static void a_stopped_run_leaves_no_half_file(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"mkdir $T/out; { echo some text to begin with; sleep 2; } | '" GAPSCOPE_PROGRAM
         "' tokenize --model " GELU
         " - -o $T/out/x & for i in $(seq 100); do ls $T/out | grep -q tmp && break; sleep 0.05; "
         "done; ls $T/out | grep -c tmp; kill -TERM $!; wait $!; echo $?; ls $T/out | wc -l",
         0, "", "1\n143\n0\n"},
    };
    CHECK_CASES(cases);
}

/* A command that would write over what it reads says so and leaves it as it is. */
static void an_output_is_no_input(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "gapscope tokenize --model " GELU " -o $T/own.jsonl $T/own.jsonl",
        "gapscope label --model " GELU " --regex 'x=a' -o $T/link.jsonl $T/own.jsonl",
        "gapscope score --model " GELU " --output=$T/own.jsonl $T/own.jsonl",
        "gapscope count --force --model " GELU " -o $T/own.jsonl $T/own.jsonl",
        "gapscope report $T/own.jsonl -o $T/own.jsonl",
        "gapscope pack $T/own.jsonl -o $T/own.jsonl",
        "gapscope label --model " GELU " --hypotheses $T/own.jsonl -o $T/own.jsonl LICENSE",
        "gapscope score --model x=$T/own.jsonl:2 --model $T/own.jsonl -o $T/own.jsonl LICENSE",
    };
    struct ran r = {0};
    run_well(&r, "printf '{\"text\":\"mine\"}\\n' >$T/own.jsonl && ln $T/own.jsonl $T/link.jsonl");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        run(&r, commands[i]);
        if (r.status != 2 || !strstr(r.err.data, "would be lost; name another")) {
            fail_msg("%s: status %d: %s", commands[i], r.status, r.err.data);
        }
        run_well(&r, "cat $T/own.jsonl");
        assert_string_equal(r.out.data, "{\"text\":\"mine\"}\n");
    }
    ran_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_gives_the_log_probs_of_transformer_lens),
        cmocka_unit_test(acts_gives_the_activations_of_transformer_lens),
        cmocka_unit_test(windows_tile_a_doc_and_begin_with_bos),
        cmocka_unit_test(an_empty_doc_is_one_window_of_bos),
        cmocka_unit_test(models_score_together_as_they_do_alone),
        cmocka_unit_test(trained_models_predict_text),
        cmocka_unit_test(wrong_usage_says_what_is_meant),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
        cmocka_unit_test(ids_that_cannot_be_used_name_their_line),
        cmocka_unit_test(damage_is_told_after_what_is_whole),
        cmocka_unit_test(models_with_other_tokenizers_are_refused_together),
        cmocka_unit_test(results_are_as_they_were),
        cmocka_unit_test(a_packed_corpus_reads_back),
        cmocka_unit_test(a_stopped_run_leaves_no_half_file),
        cmocka_unit_test(an_output_is_no_input),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
