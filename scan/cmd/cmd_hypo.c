#include "scan/cmd/commands.h"

#include <stdio.h>

#include "out/read/reader.h"
#include "out/text/hypotheses_text.h"
#include "scan/cli/args.h"

struct options {
    struct hypo_options hypo;
    const char *color, *output;
};

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    const char *name = operands->n > 1 ? operands->items[1] : NULL;
    struct view v = {0};
    if (name && o->hypo.pair) {
        return err_set(err, ERR_USAGE, "--pair belongs to the list of all hypotheses");
    }
    if (!name && o->hypo.neuron) {
        return err_set(err, ERR_USAGE, "--neuron belongs to one hypothesis: which?");
    }
    int rc = view_open(&v, operands->items[0], o->color, o->output, err);
    if (!rc) {
        rc = hypo_any(&v, err);
    }
    if (!rc) {
        rc = name ? hypo_put_page(&v, name, &o->hypo, err) : hypo_put_list(&v, &o->hypo, err);
    }
    return view_close(&v, rc, o->output, err);
}

int cmd_hypo(int argc, char **argv)
{
    struct options o = {.hypo.n = HYPO_NEURONS};
    const struct arg args[] = {
        {"pair", 0, ARG_STRING, &o.hypo.pair, "A:B",
         "the pair whose gap is accounted for; else the run's first"},
        {"neuron", 0, ARG_STRING, &o.hypo.neuron, "NAME:L0N5",
         "of one hypothesis: this neuron's histogram and\ncounterexamples, not the best one's"},
        {"number", 'n', ARG_SIZE, &o.hypo.n, "N",
         "how many neurons, hits and counterexamples of each kind (10)"},
        {"all", 0, ARG_FLAG, &o.hypo.all, NULL,
         "of one hypothesis: the statistics of both halves and of\nall, of every neuron listed"},
        {"json", 0, ARG_FLAG, &o.hypo.json, NULL, "one object with everything, for programs"},
        {"color", 0, ARG_STRING, &o.color, "WHEN", VIEW_COLOR_HELP},
        {"output", 'o', ARG_STRING, &o.output, "FILE", "write there, not to standard output"},
        {0}};
    const struct command command = {
        .name = "hypo",
        .usage = "run.db [NAME]",
        .summary =
            "The hypotheses of a run: how often each holds, which neuron fits it best, and how\n"
            "much of a pair's gap lies where it holds.  With a name, one of them: its best\n"
            "neurons with all statistics, and where they disagree with it.",
        .args = args,
        .n_min = 1,
        .n_max = 2,
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
