/*
 * gapscope minimal as people run it: numbers of TransformerLens, sums, what holds of any pair, and
 * what is said of prompts and answers that cannot be used.
 */
#include "tests/kit/golden.h"

#include <math.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "tests/kit/shell.h"

#define ATTN "model/demo/attn-only-1l"
#define ATTN2 "model/demo/attn-only-2l"
#define GELU "model/demo/gelu-1l"
#define SOLU "model/demo/solu-1l"

#define MAX_GOLDEN 1e-5 // reached: 2.6e-6 (patched), 1.2e-6 (attribution of one answer)
#define MAX_SUM 1e-5    // reached: 4.5e-6, a difference of logits up to 13

static const char *const with_circuits[] = {
    "attn-only-1l", "attn-only-2l-demo", "attn-only-3l", "gelu-1l", "gelu-2l", "solu-1l", "solu-4l",
};

/* Runs what must succeed and print nothing but one object; the caller puts it. */
static struct json_object *run_json(const char *command)
{
    struct ran r = {0};
    struct json_object *object = NULL;
    struct err err = {0};
    run(&r, command);
    if (r.status != 0 || r.err.len) {
        fail_msg("%s: status %d: %s", command, r.status, r.err.data);
    }
    struct json_parser *parser = json_parser_new();
    if (json_parse(parser, &object, r.out.data, r.out.len, &err)) {
        fail_msg("%s: %s", command, err.msg);
    }
    json_parser_free(parser);
    ran_free(&r);
    return object;
}

static struct json_object *at(struct json_object *list, size_t i)
{
    assert_true(json_object_is_type(list, json_type_array));
    assert_true(i < json_object_array_length(list));
    return json_object_array_get_idx(list, i);
}

static double real(struct json_object *object, const char *key)
{
    struct json_object *value = json_member(object, key);
    assert_non_null(value);
    return json_object_get_double(value);
}

/* Of a run's model m: what is said after prompt k; what patching into it does. */
static struct json_object *model_of(struct json_object *found, size_t m)
{
    return at(json_member(found, "models"), m);
}

static struct json_object *said_of(struct json_object *model, size_t k)
{
    return at(json_member(model, "prompts"), k);
}

static struct json_object *into(struct json_object *model, size_t k)
{
    return at(json_member(model, "patching_into"), k);
}

static double compare(double value, double wanted, double tolerance, const char *name,
                      const char *what)
{
    if (!(fabs(value - wanted) <= tolerance)) {
        fail_msg("%s, %s: %.8f, not %.8f", name, what, value, wanted);
    }
    return fabs(value - wanted);
}

// --- numbers ------------------------------------------------------------------------------------

/* The golden pair as a command's operands. */
static void print_pair(struct buf *to, struct json_object *circuits)
{
    struct json_object *answers = json_member(circuits, "answers");
    buf_printf(to, NULL, "'%s' '%s' --answers %d %d",
               json_object_to_json_string(json_member(circuits, "prompt_a")),
               json_object_to_json_string(json_member(circuits, "prompt_b")),
               json_object_get_int(at(answers, 0)), json_object_get_int(at(answers, 1)));
}

static double check_golden(const char *name)
{
    struct buf command = {0};
    char path[128];
    snprintf(path, sizeof path, "tests/golden/models/%s/circuits.json", name);
    struct json_object *circuits = golden_json(path);
    buf_printf(&command, NULL, "gapscope minimal --json --ids --model tests/golden/models/%s ",
               name);
    print_pair(&command, circuits);
    struct json_object *found = run_json(command.data), *model = model_of(found, 0);
    struct json_object *wanted = json_member(circuits, "logit_difference");
    struct json_object *components = json_member(into(model, 1), "components");
    const double a = real(wanted, "a"), b = real(wanted, "b");
    double most = compare(real(said_of(model, 0), "difference"), a, MAX_GOLDEN, name, "a");
    most = fmax(most, compare(real(said_of(model, 1), "difference"), b, MAX_GOLDEN, name, "b"));
    size_t n = 0;
    json_object_object_foreach(json_member(circuits, "patched"), what, value)
    {
        const double golden = json_object_get_double(value);
        struct json_object *one = json_member(components, what);
        most = fmax(most, compare(real(one, "difference"), golden, MAX_GOLDEN, name, what));
        const double effect = (golden - b) / (a - b);
        compare(real(one, "effect"), effect, MAX_GOLDEN * (1 + fabs(effect)) / fabs(a - b), name,
                what);
        n++;
    }
    assert_int_equal(n, json_object_object_length(components));
    json_object_put(found);
    json_object_put(circuits);
    buf_free(&command);
    return most;
}

static void patching_is_that_of_transformer_lens(void **state)
{
    (void)state;
    double most = 0;
    for (size_t i = 0; i < sizeof with_circuits / sizeof *with_circuits; i++) {
        most = fmax(most, check_golden(with_circuits[i]));
    }
    printf("largest error %.1e\n", most);
}

#define PAIR "'if x in [1, 2' 'if x in (1, 2' --answers ']' ')' "
#define ALL "--model " ATTN " --model " ATTN2 " --model " GELU " --model " SOLU " "

/* The logit difference from its parts, and from log-probs that score gives. */
static void parts_make_the_difference(void **state)
{
    (void)state;
    struct json_object *found = run_json("gapscope minimal --json " ALL PAIR);
    double most = 0;
    assert_int_equal(json_object_array_length(json_member(found, "models")), 4);
    for (size_t m = 0; m < 4; m++) {
        struct json_object *model = model_of(found, m);
        struct json_object *parts = json_member(json_member(model, "attribution"), "parts");
        for (size_t k = 0; k < 2; k++) {
            struct json_object *said = said_of(model, k), *answers = json_member(said, "answers");
            const double difference = real(said, "difference");
            double sum = 0;
            json_object_object_foreach(parts, name, pair)
            {
                assert_non_null(name);
                sum += golden_number(pair, k);
            }
            most = fmax(most, compare(sum, difference, MAX_SUM, "parts", "sum"));
            compare(real(at(answers, 0), "logit") - real(at(answers, 1), "logit"), difference, 1e-5,
                    "answers", "logits");
            compare(real(at(answers, 0), "logprob") - real(at(answers, 1), "logprob"), difference,
                    1e-5, "answers", "log-probs");
        }
    }
    printf("largest error of a sum %.1e\n", most);
    json_object_put(found);
}

/* The log-probs and the top 10 are those that score gives after the last token. */
static void what_is_said_is_what_score_says(void **state)
{
    (void)state;
    struct json_object *found = run_json("gapscope minimal --json " ALL PAIR);
    static const char *const texts[2] = {"if x in [1, 2", "if x in (1, 2"};
    for (size_t k = 0; k < 2; k++) {
        char command[512];
        snprintf(command, sizeof command,
                 "printf '%s' | gapscope score --top 4096 " ALL "- 2>/dev/null", texts[k]);
        struct json_object *score = run_json(command), *tops = json_member(score, "top");
        struct json_object *prompt = at(json_member(found, "prompts"), k);
        assert_true(json_object_equal(json_member(prompt, "ids"), json_member(score, "ids")));
        assert_string_equal(json_object_get_string(json_member(prompt, "text")), texts[k]);
        for (size_t m = 0; m < 4; m++) {
            struct json_object *model = model_of(found, m), *said = said_of(model, k);
            struct json_object *rows =
                json_member(tops, json_object_get_string(json_member(model, "model")));
            struct json_object *row = at(rows, json_object_array_length(rows) - 1);
            assert_int_equal(json_object_array_length(json_member(said, "top")), 10);
            for (size_t i = 0; i < 10; i++) {
                struct json_object *mine = at(json_member(said, "top"), i);
                assert_true(real(mine, "id") == golden_number(at(row, i), 0));
                compare(real(mine, "logprob"), golden_number(at(row, i), 1), 2e-5, "top", "10");
            }
            for (size_t a = 0; a < 2; a++) {
                struct json_object *answer = at(json_member(said, "answers"), a);
                const size_t rank = (size_t)real(answer, "rank");
                assert_true(rank >= 1);
                assert_true(golden_number(at(row, rank - 1), 0) ==
                            real(at(json_member(found, "answers"), a), "id"));
                compare(real(answer, "logprob"), golden_number(at(row, rank - 1), 1), 2e-5,
                        "answer", "log-prob");
            }
        }
        json_object_put(score);
    }
    json_object_put(found);
}

/* The prompts differ at one position, so that the stream there, before the first layer, is all of
 * it; positions before it change nothing, and nothing else comes before the last layer's end. */
static void positions_tell_where_it_comes_in(void **state)
{
    (void)state;
    struct json_object *found = run_json("gapscope minimal --json --positions " ALL PAIR);
    struct json_object *differing = json_member(found, "differing");
    assert_int_equal(json_object_array_length(differing), 1);
    const size_t where = (size_t)golden_number(differing, 0);
    for (size_t m = 0; m < 4; m++) {
        struct json_object *model = model_of(found, m);
        for (size_t k = 0; k < 2; k++) {
            struct json_object *first = at(json_member(into(model, k), "resid_pre"), 0);
            struct json_object *effects = json_member(first, "effect");
            struct json_object *differences = json_member(first, "difference");
            for (size_t i = 0; i < json_object_array_length(effects); i++) {
                assert_true(golden_number(effects, i) == (i == where ? 1 : 0));
                assert_true(golden_number(differences, i) ==
                            real(said_of(model, i == where ? !k : k), "difference"));
            }
            json_object_object_foreach(json_member(into(model, k), "positions"), name, row)
            {
                assert_non_null(name);
                for (size_t i = 0; i < where; i++) {
                    assert_true(golden_number(json_member(row, "effect"), i) == 0);
                }
            }
        }
    }
    json_object_put(found);
}

/* Of a last layer only the last position is read, so that a component there is all of it. */
static void at_the_last_position_of_a_last_layer_is_all(void **state)
{
    (void)state;
    struct json_object *found = run_json("gapscope minimal --json --positions " ALL PAIR);
    for (size_t m = 0; m < 4; m++) {
        struct json_object *model = model_of(found, m);
        const char *last = m == 1 ? "L1" : "L0";
        size_t n = 0;
        json_object_object_foreach(json_member(into(model, 0), "components"), name, whole)
        {
            struct json_object *row = json_member(
                json_member(json_member(into(model, 0), "positions"), name), "difference");
            const size_t end = json_object_array_length(row) - 1;
            // a head of a one-layer model with an MLP is read at the last position alone, too
            if (strncmp(name, last, 2) == 0) {
                assert_true(golden_number(row, end) == real(whole, "difference"));
                n++;
            }
        }
        assert_int_equal(n, m < 2 ? 4 : 5);
    }
    json_object_put(found);
}

/* --neurons against acts and the model: the order, the best of all, and what one would be alone. */
static void neurons_are_those_that_change_it_most(void **state)
{
    (void)state;
    struct json_object *found =
        run_json("gapscope minimal --json --neurons 512 --model " SOLU " " PAIR);
    struct json_object *few =
        run_json("gapscope minimal --json --neurons 3 --model " SOLU " " PAIR);
    struct json_object *model = model_of(found, 0);
    for (size_t k = 0; k < 2; k++) {
        struct json_object *neurons = json_member(into(model, k), "neurons");
        struct json_object *listed =
            json_member(json_member(json_member(model, "attribution"), "neurons"), "change");
        const double own = real(said_of(model, k), "difference");
        bool seen[512] = {false};
        double before = INFINITY;
        assert_int_equal(json_object_array_length(neurons), 512);
        assert_int_equal(
            json_object_array_length(json_member(into(model_of(few, 0), k), "neurons")), 3);
        for (size_t i = 0; i < 512; i++) {
            struct json_object *neuron = at(neurons, i);
            const double change = real(neuron, "difference") - own;
            size_t index;
            assert_int_equal(
                sscanf(json_object_get_string(json_member(neuron, "neuron")), "L0N%zu", &index), 1);
            assert_true(index < 512 && !seen[index]);
            seen[index] = true;
            assert_true(fabs(change) <= before);
            before = fabs(change);
            if (i < 3) {
                assert_true(json_object_equal(
                    neuron, at(json_member(into(model_of(few, 0), k), "neurons"), i)));
            }
        }
        // one neuron moves the final norm's scale little: as its direct effect says, about
        const char *name = json_object_get_string(json_member(at(listed, 0), "neuron"));
        struct json_object *effect = json_member(at(listed, 0), "effect");
        double alone = NAN;
        for (size_t i = 0; i < 512; i++) {
            if (strcmp(name, json_object_get_string(json_member(at(neurons, i), "neuron"))) == 0) {
                alone = real(at(neurons, i), "difference") - own;
            }
        }
        const double direct = (golden_number(effect, 1) - golden_number(effect, 0)) * (k ? -1 : 1);
        assert_true(fabs(alone - direct) < 0.25 * fabs(direct) + 0.05);
    }
    json_object_put(found);
    json_object_put(few);
}

/* What a model says does not depend on the others, nor on what else is asked for. */
static void models_are_alike_together_and_alone(void **state)
{
    (void)state;
    struct json_object *all = run_json("gapscope minimal --json " ALL PAIR);
    struct json_object *one = run_json("gapscope minimal --json --answers ']' ')' --model " SOLU
                                       " 'if x in [1, 2' 'if x in (1, 2'");
    assert_true(json_object_equal(model_of(all, 3), model_of(one, 0)));
    assert_true(json_object_equal(json_member(all, "prompts"), json_member(one, "prompts")));
    json_object_put(all);
    json_object_put(one);
}

/* The ids of a text, given as they are. */
static void ids_are_as_the_text(void **state)
{
    (void)state;
    struct json_object *text = run_json("gapscope minimal --json --model " GELU " " PAIR);
    struct buf command = {0};
    struct json_object *prompts = json_member(text, "prompts"),
                       *answers = json_member(text, "answers");
    buf_printf(&command, NULL, "gapscope minimal --json --ids --model " GELU " '%s'",
               json_object_to_json_string(json_member(at(prompts, 0), "ids")));
    buf_printf(&command, NULL, " '%s' --answers %.0f %.0f",
               json_object_to_json_string(json_member(at(prompts, 1), "ids")),
               real(at(answers, 0), "id"), real(at(answers, 1), "id"));
    struct json_object *ids = run_json(command.data);
    struct json_object *a = json_member(model_of(text, 0), "patching_into");
    assert_true(json_object_equal(a, json_member(model_of(ids, 0), "patching_into")));
    assert_null(json_member(at(json_member(ids, "prompts"), 0), "text"));
    json_object_put(text);
    json_object_put(ids);
    buf_free(&command);
}

// --- text ---------------------------------------------------------------------------------------

/* 'what' stands in the output, in which many spaces are as one. */
static void assert_has(const struct ran *r, const char *what)
{
    struct buf text = {0};
    for (const char *p = r->out.data; *p; p++) {
        if (*p != ' ' || p[1] != ' ') {
            buf_append(&text, p, 1, NULL);
        }
    }
    buf_append(&text, "", 1, NULL);
    if (!strstr(text.data, what)) {
        printf("%s\n", text.data);
        fail_msg("not there: %s", what);
    }
    buf_free(&text);
}

static void tables_say_the_same(void **state)
{
    (void)state;
    struct ran r = {0};
    run(&r, "COLUMNS=100 gapscope minimal --model " GELU " --model " ATTN
            " --positions --neurons 2 \"$(printf 'a\\033[31m\\nb (')\" \"$(printf 'a\\033[31m\\nb "
            "[')\" --answers ' (' ' ['");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.err.len, 0);
    assert_null(strchr(r.out.data, '\x1b')); // neither colours nor the prompt's own
    assert_has(&r, "one a\xe2\x90\x9b[31m\xe2\x90\x8a"
                   "b (\n");
    assert_has(&r, " * \" (\" \" [\"\n");
    assert_has(&r, "\ngelu-1l: logit(\" (\") - logit(\" [\")\n");
    assert_has(&r, "\ndirect logit attribution of the difference\n");
    assert_has(&r, "\n L0MLP ");
    assert_has(&r, " +1.000\n"); // resid_pre where they differ
    assert_has(&r, "attention-only: it has no neurons");
    assert_has(&r, "\nthe logit difference of each model\n model one two change\n");
    run(&r, "gapscope minimal --color always --model " GELU " 'a (' 'a [' --answers ' (' ' ['");
    assert_has(&r, "\x1b[1mtokens\x1b[0m\n");
    assert_null(strstr(r.out.data, "of each model"));
    run(&r, "gapscope minimal --model " GELU " 'a (' 'a [' --answers \"$(printf '\\t')\" ' ['");
    assert_int_equal(r.status, 0);
    assert_null(strchr(r.out.data, '\t'));
    run(&r,
        "gapscope minimal --model " GELU " 'a (' 'a [' --answers ' (' ' [' -o $T/x; wc -l <$T/x");
    assert_true(atoi(r.out.data) > 40);
    ran_free(&r);
}

/* The numbers of the text are those of the JSON, rounded. */
static void tables_have_the_numbers_of_the_json(void **state)
{
    (void)state;
    struct ran r = {0};
    struct json_object *found = run_json("gapscope minimal --json --model " GELU " " PAIR);
    struct json_object *model = model_of(found, 0);
    run(&r, "COLUMNS=200 gapscope minimal --model " GELU " " PAIR);
    char line[256];
    snprintf(line, sizeof line, " logit difference %+.4f after one, %+.4f after two\n",
             real(said_of(model, 0), "difference"), real(said_of(model, 1), "difference"));
    assert_has(&r, line);
    json_object_object_foreach(json_member(json_member(model, "attribution"), "parts"), part, pair)
    {
        const double one = golden_number(pair, 0), two = golden_number(pair, 1);
        snprintf(line, sizeof line, " %s %+.4f %+.4f %+.4f\n", part, one, two, two - one);
        assert_has(&r, line);
    }
    json_object_object_foreach(json_member(into(model, 0), "components"), name, one)
    {
        struct json_object *two = json_member(json_member(into(model, 1), "components"), name);
        snprintf(line, sizeof line, " %s %+.4f %+.3f %+.4f %+.3f\n", name, real(one, "difference"),
                 real(one, "effect"), real(two, "difference"), real(two, "effect"));
        assert_has(&r, line);
    }
    json_object_put(found);
    ran_free(&r);
}

// --- what people type
// -----------------------------------------------------------------------------

static void what_cannot_be_used_is_said(void **state)
{
    (void)state;
#define MINIMAL "gapscope minimal --model " GELU " "
    static const struct shell_case cases[] = {
        {MINIMAL "'a b' 'a c'", 2, "--answers is missing", ""},
        {MINIMAL "'a b' --answers a b", 2, "'TEXT TWO' is missing; usage: gapscope minimal", ""},
        {MINIMAL "'a b' 'a c' 'a d' --answers a b", 2, "a d: one operand too many", ""},
        {MINIMAL "'a b' 'a c' --answers a", 2, "--answers needs two values", ""},
        {MINIMAL "'a b' 'a c' --answers", 2, "--answers needs a value", ""},
        {"gapscope minimal 'a b' 'a c' --answers a b", 2, "--model is missing", ""},
        {MINIMAL "'a b' 'a c' --answers ' the cat' ' a'", 2,
         "--answers \" the cat\": 3 tokens: \" the\", \" c\", \"at\"; expected one token", ""},
        {MINIMAL "'a b' 'a c' --answers ' a' ''", 2, "--answers \"\": 0 tokens; expected one token",
         ""},
        {MINIMAL "'a b' 'a c' --answers ' a' ' a'", 2, "both are the same token", ""},
        {MINIMAL "'' 'a c' --answers a b", 2, "prompt one is empty", ""},
        {MINIMAL "'a b' '' --answers a b", 2, "prompt two is empty", ""},
        {MINIMAL "'a b' 'a b' --answers a b", 2, "both prompts are the same tokens", ""},
        {MINIMAL "\"$(printf 'a \\377')\" 'a b' --answers a b", 2, "a \\xFF: not UTF-8", ""},
        {MINIMAL "'a b' 'a c' --answers a b --color sometimes", 2, "--color sometimes", ""},
        {MINIMAL "'a b' 'a c' --answers a b --neurons x", 2, "--neurons x: expected a whole number",
         ""},
        {MINIMAL "\"$(seq 300)\" \"$(seq 300)\" --answers a b", 1,
         "tokens (BOS is one); the models take 256", ""},
        {MINIMAL "'a b c' 'a c' --answers a b", 2,
         "prompt one has 4 tokens, prompt two 3 (BOS is one)", ""},
        {MINIMAL "'a b c' 'a c' --answers a b", 2, "  *  \" b\"             \n", ""},
        {MINIMAL "'a b c' 'a c' --answers a b", 2, "     \" c\"             \" c\"\n", ""},
        {MINIMAL "--ids '[0,1' '[0,2]' --answers 1 2", 2, "with --ids prompts are lists", ""},
        {MINIMAL "--ids 7 '[0,2]' --answers 1 2", 2, "7: expected a list of ids", ""},
        {MINIMAL "--ids '[]' '[0,2]' --answers 1 2", 2, "prompt one is empty", ""},
        {MINIMAL "--ids '[0,4096]' '[0,2]' --answers 1 2", 2,
         "ids are whole numbers from 0 to 4095", ""},
        {MINIMAL "--ids '[0,1]' '[0,-2]' --answers 1 2", 2, "ids are whole numbers", ""},
        {MINIMAL "--ids '[0,1]' '[0,1.5]' --answers 1 2", 2, "ids are whole numbers", ""},
        {MINIMAL "--ids '[0,1]' '[0,2]' --answers 1 4096", 2, "4096: ids are whole numbers", ""},
        {MINIMAL "--ids '[0,1]' '[0,2]' --answers 1 '[2]'", 2, "[2]: ids are whole numbers", ""},
        {MINIMAL "--ids '[0,1,5]' '[0,2]' --answers 1 2", 2,
         "prompt one has 3 tokens, prompt two 2: patching", ""},
        {MINIMAL "'a b' 'a c' --answers a b -o /no/such/folder/x", 1, "/no/such/folder/x", ""},
        {"gapscope minimal --help", 0, NULL, NULL},
    };
    CHECK_CASES(cases);
}

static void the_longest_prompts_are_taken(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"a=$(seq 2 256 | paste -sd,); gapscope minimal --json --ids --model " ATTN2
         " \"[0,$a]\" \"[1,$a]\" --answers 5 6 | grep -c patching_into",
         0, NULL, "1\n"},
        {"a=$(seq 2 257 | paste -sd,); gapscope minimal --json --ids --model " ATTN2
         " \"[0,$a]\" \"[1,$a]\" --answers 5 6",
         1, "prompt one has 257 tokens; the models take 256", ""},
        {"gapscope minimal --json --ids --positions --neurons 1 --model " GELU
         " '[0]' '[1]' --answers 5 6 | grep -c patching_into",
         0, NULL, "1\n"},
    };
    CHECK_CASES(cases);
}

static void special_tokens_are_text_unless_asked_for(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {MINIMAL
         "--json 'a<|endoftext|>b' 'a<|endoftext|>c' --answers a b | grep -c '\"ids\":\\[0,99,0,'",
         1, NULL, "0\n"},
        {MINIMAL "--special --json 'a<|endoftext|>b' 'a<|endoftext|>c' --answers a '<|endoftext|>' "
                 "| grep -c "
                 "'\"ids\":\\[0,99,0,'",
         0, NULL, "1\n"},
        {MINIMAL "'a b' 'a c' --answers a '<|endoftext|>'", 2, "expected one token", ""},
    };
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patching_is_that_of_transformer_lens),
        cmocka_unit_test(parts_make_the_difference),
        cmocka_unit_test(what_is_said_is_what_score_says),
        cmocka_unit_test(positions_tell_where_it_comes_in),
        cmocka_unit_test(at_the_last_position_of_a_last_layer_is_all),
        cmocka_unit_test(neurons_are_those_that_change_it_most),
        cmocka_unit_test(models_are_alike_together_and_alone),
        cmocka_unit_test(ids_are_as_the_text),
        cmocka_unit_test(tables_say_the_same),
        cmocka_unit_test(tables_have_the_numbers_of_the_json),
        cmocka_unit_test(what_cannot_be_used_is_said),
        cmocka_unit_test(the_longest_prompts_are_taken),
        cmocka_unit_test(special_tokens_are_text_unless_asked_for),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
