#include "scan/cmd/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "model/explain/minimal.h"
#include "out/text/printable.h"
#include "out/text/screen.h"
#include "out/text/table.h"
#include "scan/cli/args.h"
#include "scan/cmd/minimal_pairs.h"
#include "scan/cmd/minimal_view.h"
#include "scan/load/lineup.h"
#include "scan/load/prompts.h"

struct options {
    struct arg_list models;
    const char *answers[2];
    const char *tokenizer, *color, *output;
    const char *pairs; // a file of them
    struct minimal_options minimal;
    bool ids, special, json;
};

/* One line of text, named. */
static void put_prompt(const struct screen *s, const struct prompts *p, size_t k)
{
    fputs(k ? "two  " : "one  ", s->to);
    show_text(s->to, p->texts[k], 0, SIZE_MAX);
    putc('\n', s->to);
}

static int put_prompts(const struct screen *s, const struct prompts *p, struct err *err)
{
    put_prompt(s, p, 0);
    put_prompt(s, p, 1);
    minimal_view_head(s, "tokens");
    return prompts_put(p, s->to, s->width, err);
}

static int put_comparison(const struct screen *s, const struct minimal *all, size_t n,
                          struct err *err)
{
    static const char *const heads[] = {"<model", "one", "two", "change"};
    struct table t = {.heads = heads, .n_columns = 4, .n_keys = 1, .group = 3};
    for (size_t i = 0; i < n; i++) {
        const double one = all[i].output[0].difference, two = all[i].output[1].difference;
        table_text(&t, all[i].name);
        table_signed(&t, one, 4);
        table_signed(&t, two, 4);
        table_signed(&t, two - one, 4);
    }
    minimal_view_head(s, "the logit difference of each model");
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

static int put_all(const struct screen *s, const struct prompts *p, const struct minimal *all,
                   size_t n, struct err *err)
{
    int rc = put_prompts(s, p, err);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = minimal_view_put(&all[i], p, s, err);
    }
    if (rc || n < 2) {
        return rc;
    }
    return put_comparison(s, all, n, err);
}

static void put_json(const struct screen *s, const struct prompts *p, const struct minimal *all,
                     size_t n)
{
    struct jsonout j = {.to = s->to};
    jsonout_begin(&j, '{');
    minimal_view_json_prompts(p, &j);
    jsonout_key(&j, "models");
    jsonout_begin(&j, '[');
    for (size_t i = 0; i < n; i++) {
        minimal_view_json(&all[i], p, &j);
    }
    jsonout_end(&j, ']');
    jsonout_end(&j, '}');
}

static size_t count_not_finite(const double *values, size_t n)
{
    size_t n_not_finite = 0;
    for (size_t i = 0; i < n; i++) {
        n_not_finite += !isfinite(values[i]);
    }
    return n_not_finite;
}

/* What a model whose weights overflow says is null in JSON and "-" in a table. */
static void print_not_finite(const struct minimal *m)
{
    const size_t n_patched = m->model->config.n_layers * m->per_layer;
    size_t n = 0;
    for (size_t k = 0; k < 2; k++) {
        const struct minimal_output *o = &m->output[k];
        const double own[] = {o->difference, (double)o->logits[0], (double)o->logits[1],
                              o->logprobs[0], o->logprobs[1]};
        n += count_not_finite(own, sizeof own / sizeof *own);
        n += count_not_finite(m->components[k], m->n_components);
        n += count_not_finite(m->effects[k], m->n_neurons);
        n += count_not_finite(m->patched[k], n_patched);
    }
    if (n > 0) {
        fprintf(stderr,
                "gapscope minimal: %s: %zu logits, log-probs and effects are not finite: its "
                "weights overflow\n",
                m->name, n);
    }
}

static int find_all(struct minimal *all, const struct lineup *l, const struct prompts *p,
                    const struct minimal_options *options, struct err *err)
{
    const struct minimal_prompts prompts = {
        .ids = {p->ids[0], p->ids[1]}, .n = p->n[0], .answers = {p->answers[0], p->answers[1]}};
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        struct minimal_options own = *options;
        own.changes = &l->models[i].changes;
        rc = minimal_find(&all[i], l->models[i].weights, &prompts, &own, err);
        all[i].name = l->models[i].name;
    }
    return rc;
}

/* The screen and the models; both are then to be closed, also after an error. */
static int open_all(const struct options *o, struct lineup *lineup, struct screen *s,
                    struct err *err)
{
    int rc = screen_open(s, o->color, o->output, err);
    rc = rc ? rc : lineup_load(lineup, &o->models, o->tokenizer, !o->ids, err);
    rc = rc ? rc : lineup_need_weights(lineup, err);
    return rc ? rc : lineup_need_no_edges(lineup, "minimal", err);
}

/* A file of pairs. */
static int run_pairs(const struct options *o, const struct arg_list *operands, struct err *err)
{
    struct lineup lineup = {0};
    struct screen s = {0};
    struct minimal_pairs pairs = {0};
    if (operands->n > 0 || o->answers[0] || o->minimal.positions || o->minimal.neurons) {
        return err_set(err, ERR_USAGE,
                       "--pairs goes without prompts, --answers, --positions and --neurons: the "
                       "file has the prompts and answers");
    }
    int rc = open_all(o, &lineup, &s, err);
    rc = rc ? rc : minimal_pairs_find(&pairs, o->pairs, &lineup, o->ids, o->special, err);
    if (!rc && o->json) {
        minimal_pairs_json(&pairs, s.to);
    } else if (!rc) {
        rc = minimal_pairs_put(&pairs, &s, err);
    }
    minimal_pairs_free(&pairs);
    lineup_free(&lineup);
    return screen_close(&s, rc, o->output, err);
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    if (o->pairs) {
        return run_pairs(o, operands, err);
    }
    if (operands->n < 2) {
        return err_set(err, ERR_USAGE,
                       "%s is missing; usage: gapscope minimal --model M 'TEXT ONE' 'TEXT TWO' "
                       "--answers ' X' ' Y'",
                       operands->n == 0 ? "'TEXT ONE'" : "'TEXT TWO'");
    }
    const struct prompts_given given = {.texts = {operands->items[0], operands->items[1]},
                                        .answers = {o->answers[0], o->answers[1]},
                                        .ids = o->ids,
                                        .special = o->special};
    if (!o->answers[0]) {
        return err_set(err, ERR_USAGE, "--answers is missing, e.g. --answers ' yes' ' no'");
    }
    struct lineup lineup = {0};
    struct prompts prompts = {0};
    struct minimal *all = NULL;
    struct screen s = {0};
    int rc = open_all(o, &lineup, &s, err);
    rc = rc ? rc : prompts_read(&prompts, &lineup, &given, err);
    if (!rc) {
        all = mem_zero(lineup.n, sizeof *all);
        rc = all ? find_all(all, &lineup, &prompts, &o->minimal, err) : err_nomem(err, "models");
    }
    for (size_t i = 0; i < lineup.n && !rc; i++) {
        print_not_finite(&all[i]);
    }
    if (!rc && o->json) {
        put_json(&s, &prompts, all, lineup.n);
    } else if (!rc) {
        rc = put_all(&s, &prompts, all, lineup.n, err);
    }
    for (size_t i = 0; all && i < lineup.n; i++) {
        minimal_free(&all[i]);
    }
    free(all);
    prompts_free(&prompts);
    lineup_free(&lineup);
    return screen_close(&s, rc, o->output, err);
}

int cmd_minimal(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {
        ARGS_GROUP("the models"),
        WEIGHTS_ARGS(&o.models, &o.tokenizer),
        ARGS_GROUP("what is asked"),
        {"answers", 'a', ARG_PAIR, o.answers, "X Y",
         "the two tokens whose logits are compared, e.g.\n' is' ' are'"},
        {"pairs", 0, ARG_STRING, &o.pairs, "FILE",
         "many pairs instead of two prompts, JSONL of\n{\"a\":TEXT,\"b\":TEXT,\"answers\":[X,Y]}: "
         "mean effects"},
        {"positions", 0, ARG_FLAG, &o.minimal.positions, NULL,
         "patch single positions as well, and the residual\nstream before each layer"},
        {"neurons", 'n', ARG_SIZE, &o.minimal.neurons, "N",
         "patch single neurons; show the N that change the\ndifference most"},
        {"ids", 0, ARG_FLAG, &o.ids, NULL,
         "prompts are lists of ids, [1,2,3], taken as they are\n(no BOS is added), answers are "
         "ids"},
        {"special", 0, ARG_FLAG, &o.special, NULL, "recognise special tokens written in the text"},
        ARGS_GROUP("the output"),
        {"json", 0, ARG_FLAG, &o.json, NULL, "one object, for programs"},
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "minimal",
        .usage = "--model M [--model M]... 'TEXT ONE' 'TEXT TWO'\n--answers ' X' ' Y' [options]\n"
                 "--model M [--model M]... --pairs FILE [options]",
        .summary =
            "Two prompts that differ slightly, two answers: logit(X) - logit(Y) after each, which\n"
            "components of the model add to it (direct logit attribution), and how it changes "
            "when\n"
            "one head's or MLP's output is taken from the other prompt (activation patching).\n"
            "Both prompts have as many tokens; BOS is put in front.",
        .args = args,
        .n_min = 0, // run() asks for both, but for --pairs
        .n_max = 2,
        .operands = "'TEXT ONE'|'TEXT TWO'",
        .operand_kind = OPERAND_TEXT,
        .examples =
            "gapscope minimal --model gelu-1l 'if x in [1, 2' 'if x in (1, 2' --answers ']' ')'\n"
            "gapscope minimal --model gelu-1l --pairs pairs.jsonl",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
