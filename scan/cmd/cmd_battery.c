#include "scan/cmd/commands.h"

#include <string.h>

#include "out/read/battery.h"
#include "out/text/battery.h"
#include "scan/cli/args.h"

#define PLACES_DEFAULT 3 // of a model, where it is better and where it is worse

struct options {
    const char *base, *only;
    size_t n;
    bool json;
    const char *color, *output;
};

/* The places of one model on the class. */
static void show_places(const struct screen *s, struct reader *r, const struct battery *b,
                        const struct battery_row *row, const struct options *o)
{
    for (int worst = 0; worst < 2 && !r->rc; worst++) {
        struct battery_place *places = NULL;
        size_t n = 0;
        if (!battery_places_read(&places, &n, r, b->base, row, o->n, worst != 0)) {
            if (o->json) {
                json_battery_places(s->to, b, row, places, n);
            } else {
                put_battery_places(s, b, row, places, n, worst != 0);
            }
        }
        rows_free(places, n, &battery_place_kind);
    }
}

static int show(const struct screen *s, struct reader *r, const struct options *o)
{
    struct battery b = {0};
    int64_t id = 0;
    if (o->only) {
        reader_find(r, "hypothesis", o->only, &id);
    }
    if (!r->rc && !battery_read(&b, r, o->base)) {
        if (o->json) {
            json_battery(s->to, &b, o->only);
        } else {
            reader_take(r, put_battery(s, &b, o->only, r->err));
        }
        for (size_t i = 0; i < b.n && o->only && !r->rc; i++) {
            if (b.rows[i].hypothesis == id && b.rows[i].model_id != b.base && b.base >= 0) {
                show_places(s, r, &b, &b.rows[i], o);
            }
        }
    }
    battery_free(&b);
    return r->rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct reader r = {0};
    struct screen s = {0};
    int rc = reader_open(&r, operands->items[0], err);
    rc = rc ? rc : screen_open(&s, o->color, o->output, err);
    rc = rc ? rc : show(&s, &r, o);
    reader_close(&r);
    return screen_close(&s, rc, o->output, err);
}

int cmd_battery(int argc, char **argv)
{
    struct options o = {.n = PLACES_DEFAULT};
    const struct arg args[] = {
        ARGS_GROUP("what is shown"),
        {"base", 0, ARG_STRING, &o.base, "M",
         "the model that gaps are over; if not given, the base of the\nfirst pair"},
        {"class", 0, ARG_STRING, &o.only, "NAME",
         "one class alone, with places to read: where each model is\nbetter than the base, and "
         "where it is worse"},
        {"number", 'n', ARG_SIZE, &o.n, "N", "how many places of each (3)"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "battery",
        .usage = "run.db [--base M] [--class NAME]",
        .summary =
            "How likely the models of a run find the tokens that hypotheses say would follow: the\n"
            "classes of scan --battery (induction, split words, several followers, repeats that\n"
            "stop) and all other hypotheses that predict the next token, a row per class and "
            "model.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope battery run.db\n"
                    "gapscope battery run.db --base attn-only-1l --class induction-rare-wrong",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
