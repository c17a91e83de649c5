#include <stdbool.h>

#include "out/text/heads.h"
#include "scan/cli/args.h"
#include "scan/cmd/commands.h"

#define EXAMPLES_DEFAULT 5 // of each kind

struct options {
    size_t n, examples;
    const char *sort, *model, *color, *output;
    bool json;
};

static int show_heads(const struct screen *s, struct reader *r, const struct options *o)
{
    struct head_row *rows = NULL;
    struct run_state state = {0};
    size_t n = 0;
    run_state_read(&state, r);
    if (!heads_read(&rows, &n, r, o->sort, o->model, o->n)) {
        if (o->json) {
            json_heads(s->to, rows, n);
        } else {
            put_state(s->to, &state);
            fputs("\n\n", s->to);
            reader_take(r, put_heads(s, rows, n, r->err));
        }
    }
    rows_free(rows, n, &head_row_kind);
    run_state_free(&state);
    return r->rc;
}

static int show_head(const struct screen *s, struct reader *r, const char *name,
                     const struct options *o)
{
    struct head_page p = {0};
    int rc = head_page_read(&p, r, name, o->json ? SIZE_MAX : o->examples);
    if (!rc && o->json) {
        json_head_page(s->to, &p);
    } else if (!rc) {
        rc = put_head_page(s, &p, r->err);
    }
    head_page_free(&p);
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct reader r = {0};
    struct screen s = {0};
    int rc = reader_open(&r, operands->items[0], err);
    rc = rc ? rc : screen_open(&s, o->color, o->output, err);
    rc = rc                 ? rc
         : operands->n == 2 ? show_head(&s, &r, operands->items[1], o)
                            : show_heads(&s, &r, o);
    reader_close(&r);
    return screen_close(&s, rc, o->output, err);
}

int cmd_heads(int argc, char **argv)
{
    struct options o = {.n = SIZE_MAX};
    const struct arg args[] = {
        ARGS_GROUP("what is listed"),
        {"sort", 0, ARG_STRING, &o.sort, "loss|dla|induction|...",
         "the greatest first: of loss (if not given, of a scan with\n--ablate heads; else dla), "
         "dla, induction, previous,\nduplicate, bos, self, copying (scores), to_bos, to_self,\n"
         "to_previous, to_duplicate, to_induction, entropy, distance,\nnorm"},
        {"model", 'm', ARG_STRING, &o.model, "NAME", "the heads of this model alone"},
        {"number", 'n', ARG_SIZE, &o.n, "N", "how many; all if not given"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "heads",
        .usage = "run.db [--sort loss|dla|induction|...] [-n N]",
        .summary = "The attention heads of a run's models: where they look, what they write, what\n"
                   "kind they are, and what is lost without them (of a scan with --ablate heads).",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope heads run.db\n"
                    "gapscope heads run.db --sort induction -n 5",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}

int cmd_head(int argc, char **argv)
{
    struct options o = {.examples = EXAMPLES_DEFAULT};
    const struct arg args[] = {
        ARGS_GROUP("what is shown"),
        {"examples", 0, ARG_SIZE, &o.examples, "N", "how many examples of each kind (5)"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "head",
        .usage = "run.db NAME:L1H3",
        .summary = "A head's page: where it looks, what it writes, what is lost without it by\n"
                   "hypothesis, and places where it helps and hurts with what it looks at there.\n"
                   "NAME: is not needed where one model of the run has heads.",
        .args = args,
        .n_min = 2,
        .n_max = 2,
        .operands = "run.db|NAME:L1H3",
        .examples = "gapscope head run.db attn-only-2l:L1H3",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
