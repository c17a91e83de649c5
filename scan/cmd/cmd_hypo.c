#include "scan/cmd/commands.h"

#include <stdbool.h>
#include <stdint.h>

#include "out/read/battery.h"
#include "out/read/hypothesis_list.h"
#include "out/read/hypothesis_page.h"
#include "out/text/battery.h"
#include "out/text/hypotheses.h"
#include "scan/cli/args.h"

#define N_DEFAULT 10 // neurons of one hypothesis, hits, counterexamples of each kind

struct options {
    const char *pair, *neuron; // as the user wrote them, or NULL
    size_t n;
    bool all; // dev, test and both of every neuron
    bool json;
    const char *color, *output;
};

static int show_list(const struct screen *s, struct reader *r, const struct options *o)
{
    struct hypothesis_list h = {0};
    int rc = hypothesis_list_read(&h, r, o->pair, o->n);
    if (!rc && o->json) {
        json_hypotheses(s->to, &h);
    } else if (!rc) {
        rc = put_hypotheses(s, &h, o->n, r->err);
    }
    hypothesis_list_free(&h);
    return rc;
}

/* How likely the models find what it says would follow. */
static int put_answers(const struct screen *s, struct reader *r, const char *name, int64_t id)
{
    struct battery b = {0};
    if (reader_number(r, "SELECT count(*) FROM answer WHERE hypothesis = ?1", &id) > 0 &&
        !battery_read(&b, r, NULL)) {
        fputs("\nwhat follows\n", s->to);
        reader_take(r, put_battery(s, &b, name, r->err));
    }
    battery_free(&b);
    return r->rc;
}

static int show_page(const struct screen *s, struct reader *r, const char *name,
                     const struct options *o)
{
    const struct hypothesis_page_options page_options = {.neuron = o->neuron,
                                                         .domains = o->json ? SIZE_MAX : o->n,
                                                         .neurons = o->n,
                                                         .counterexamples =
                                                             o->json ? SIZE_MAX : o->n,
                                                         .all = o->all || o->json};
    struct hypothesis_page p = {0};
    int rc = hypothesis_page_read(&p, r, name, &page_options);
    if (!rc && o->json) {
        json_hypothesis_page(s->to, &p);
    } else if (!rc) {
        rc = put_hypothesis_page(s, &p, o->neuron != NULL, o->all, r->err);
        rc = rc ? rc : put_answers(s, r, name, p.hypothesis.id);
    }
    hypothesis_page_free(&p);
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    const char *name = operands->n > 1 ? operands->items[1] : NULL;
    struct reader r = {0};
    struct screen s = {0};
    if (name && o->pair) {
        return err_set(err, ERR_USAGE, "--pair goes with the list of all hypotheses, not with one");
    }
    if (!name && o->neuron) {
        return err_set(err, ERR_USAGE, "--neuron needs the name of a hypothesis");
    }
    int rc = reader_open(&r, operands->items[0], err);
    rc = rc ? rc : screen_open(&s, o->color, o->output, err);
    rc = rc ? rc : hypothesis_list_any(&r);
    if (!rc) {
        rc = name ? show_page(&s, &r, name, o) : show_list(&s, &r, o);
    }
    reader_close(&r);
    return screen_close(&s, rc, o->output, err);
}

int cmd_hypo(int argc, char **argv)
{
    struct options o = {.n = N_DEFAULT};
    const struct arg args[] = {
        ARGS_GROUP("what is shown"),
        {"pair", 0, ARG_STRING, &o.pair, "A:B",
         "the pair whose gap is accounted for; else the run's first"},
        {"neuron", 0, ARG_STRING, &o.neuron, "NAME:L0N5",
         "with NAME: the histogram and counterexamples of this\nneuron, not of the best one"},
        {"number", 'n', ARG_SIZE, &o.n, "N",
         "how many neurons, rows of the ledger, hits, and\ncounterexamples of each kind (10)"},
        {"all", 0, ARG_FLAG, &o.all, NULL,
         "with NAME: the statistics of both halves and of all\ntokens, for every neuron listed"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
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
        .operands = "run.db",
        .examples = "gapscope hypo run.db\n"
                    "gapscope hypo run.db base64 -n 3",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
