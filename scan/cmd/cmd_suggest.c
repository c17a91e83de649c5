#include "scan/cmd/commands.h"

#include <stdbool.h>
#include <stdio.h>

#include "corpora/base/plural.h"
#include "out/text/screen.h"
#include "scan/cli/args.h"
#include "scan/suggest/search.h"
#include "scan/suggest/suggest.h"

#define TERMS_DEFAULT 3

struct options {
    size_t terms;
    bool all;
    const char *output;
};

static void say(const struct suggest_summary *s)
{
    fprintf(stderr, "gapscope suggest: hypotheses for %zu of %zu neuron%s\n", s->n_suggested,
            s->n_neurons, plural_s(s->n_neurons));
    if (s->n_left_out > 0) {
        fprintf(stderr,
                "gapscope suggest: %zu more are left out, those of the least estimated F1: a file "
                "holds no more; name their neurons\n",
                s->n_left_out);
    }
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    const struct suggest_options suggest = {
        .names = operands->items + 1, .n_names = operands->n - 1, .all = o->all, .terms = o->terms};
    struct suggest_summary summary = {0};
    struct reader r = {0};
    struct screen s = {0};
    if (o->terms == 0 || o->terms > SEARCH_TERMS_MOST) {
        return err_set(err, ERR_USAGE, "--terms %zu: expected 1 to %d", o->terms,
                       SEARCH_TERMS_MOST);
    }
    if (o->all ? operands->n > 1 : operands->n == 1) {
        return err_set(err, ERR_USAGE,
                       o->all ? "--all is of every neuron: name none"
                              : "name a neuron, as gelu-1l:L0N424, or give --all");
    }
    int rc = reader_open(&r, operands->items[0], err);
    rc = rc ? rc : screen_open(&s, "never", o->output, err);
    rc = rc ? rc : suggest_write(s.to, &r, &suggest, &summary);
    reader_close(&r);
    rc = screen_close(&s, rc, o->output, err);
    if (!rc) {
        say(&summary);
    }
    return rc;
}

int cmd_suggest(int argc, char **argv)
{
    struct options o = {.terms = TERMS_DEFAULT};
    const struct arg args[] = {
        {"all", 0, ARG_FLAG, &o.all, NULL, "every neuron of the run"},
        {"terms", 0, ARG_SIZE, &o.terms, "N", "terms that a hypothesis is made of, at most (3)"},
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "suggest",
        .usage = "run.db NAME:L0N424... [-o grown.yaml]",
        .summary =
            "Hypotheses for neurons, from the examples that the run keeps of documents of the\n"
            "half dev, as a file for scan --hypotheses, which judges them.  Where a run was\n"
            "made with such a file, the page of a neuron shows its own hypothesis first.",
        .args = args,
        .n_min = 1,
        .n_max = SIZE_MAX,
        .operands = "run.db|NAME:L0N424",
        .examples = "gapscope suggest run.db gelu-1l:L0N71 -o grown.yaml\n"
                    "gapscope suggest run.db --all -o grown.yaml\n"
                    "gapscope scan --model gelu-1l --hypotheses grown.yaml -o judged.db more.zst",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
