#include "scan/cmd/commands.h"

#include <stdbool.h>
#include <stdint.h>

#include "out/read/neuron_page.h"
#include "out/text/neuron_page.h"
#include "scan/cli/args.h"

#define N_DEFAULT 10       // hypotheses
#define EXAMPLES_DEFAULT 5 // of each kind, where it is not said; of each interval then one

struct options {
    size_t n, examples; // examples: SIZE_MAX where it was not said
    const char *color, *output;
    bool all, json;
};

static int show(const struct screen *s, struct reader *r, const char *name, const struct options *o)
{
    const bool said = o->examples != SIZE_MAX, every = o->all || o->json;
    const struct neuron_page_options page_options = {.hypotheses = o->n,
                                                     .examples = every  ? SIZE_MAX
                                                                 : said ? o->examples
                                                                        : EXAMPLES_DEFAULT,
                                                     .intervals = every  ? SIZE_MAX
                                                                  : said ? o->examples
                                                                         : 1};
    struct neuron_page p = {0};
    int rc = neuron_page_read(&p, r, name, &page_options);
    if (!rc && o->json) {
        json_neuron_page(s->to, &p);
    } else if (!rc) {
        rc = put_neuron_page(s, &p, r->err);
    }
    neuron_page_free(&p);
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
    rc = rc ? rc : show(&s, &r, operands->items[1], o);
    reader_close(&r);
    return screen_close(&s, rc, o->output, err);
}

int cmd_neuron(int argc, char **argv)
{
    struct options o = {.n = N_DEFAULT, .examples = SIZE_MAX};
    const struct arg args[] = {
        ARGS_GROUP("what is shown"),
        {"number", 'n', ARG_SIZE, &o.n, "N", "how many hypotheses (10)"},
        {"examples", 0, ARG_SIZE, &o.examples, "N",
         "how many examples of each kind and interval (5, and 1 of\neach interval)"},
        {"all", 0, ARG_FLAG, &o.all, NULL, "every example that is kept"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "neuron",
        .usage = "run.db NAME:L0N424",
        .summary =
            "A neuron's page: its activations over the whole corpus, the tokens that it\n"
            "raises and lowers, the hypotheses that it fits, and examples from its strongest\n"
            "to its weakest.  NAME: is not needed where one model of the run has neurons.",
        .args = args,
        .n_min = 2,
        .n_max = 2,
        .operands = "run.db|NAME:L0N424",
        .examples = "gapscope neuron run.db gelu-1l:L0N71",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
