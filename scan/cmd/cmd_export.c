#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "out/export/export.h"
#include "out/read/reader.h"
#include "out/text/screen.h"
#include "scan/cli/args.h"

struct options {
    const char *format, *output;
    bool force;
};

static const struct format {
    const char *name;
    int (*write)(struct exporter *x);
    bool of_neurons;
} formats[] = {
    {"neuronrecord", export_neuronrecord, true},
    {"neuronpedia", export_neuronpedia, true},
    {"csv", export_csv, false},
    {"jsonl", export_jsonl, false},
};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; name && i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(name, formats[i].name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

static void say_count(uint64_t n, const char *one, const char *many)
{
    fprintf(stderr, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

static void say_left_out(uint64_t n, const char *one, const char *many)
{
    if (n > 0) {
        fputs("gapscope export: ", stderr);
        say_count(n, one, many);
        fputc('\n', stderr);
    }
}

/* What could not be taken, how far the run is, and at last what was written. */
static void say(const struct exporter *x, const struct format *format,
                const struct run_state *state)
{
    say_left_out(x->bad_neurons, "neuron left out: its model, layer or index is not known",
                 "neurons left out: their model, layer or index is not known");
    say_left_out(x->bad_examples, "example left out: its tokens or activations cannot be read",
                 "examples left out: their tokens or activations cannot be read");
    say_left_out(x->bad_json, "value is not the JSON that it should be, and is left empty",
                 "values are not the JSON that they should be, and are left empty");
    fputs("gapscope export: ", stderr);
    put_state(stderr, state);
    fprintf(stderr, "; wrote %s: ", format->name);
    if (format->of_neurons) {
        say_count(x->neurons, "neuron", "neurons");
        fputs(" with ", stderr);
        say_count(x->examples, "example", "examples");
    } else {
        say_count(x->rows, "row", "rows");
    }
    fputs(" in ", stderr);
    say_count(x->files, "file\n", "files\n");
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    const struct format *format = find_format(o->format);
    if (!format) {
        return err_set(err, ERR_USAGE,
                       "--format %s: expected neuronrecord, neuronpedia, csv or jsonl",
                       o->format ? o->format : "is missing");
    }
    if (!o->output) {
        return err_set(err, ERR_USAGE, "-o DIR is missing");
    }
    struct reader r = {0};
    struct run_state state = {0};
    struct exporter x = {0};
    int rc = reader_open(&r, operands->items[0], err);
    rc = rc ? rc : export_begin(&x, &r, o->output, format->of_neurons);
    rc = rc ? rc : export_make_dir(o->output, o->force, err);
    rc = rc ? rc : format->write(&x);
    rc = rc ? rc : run_state_read(&state, &r);
    if (!rc) {
        say(&x, format, &state);
    }
    run_state_free(&state);
    export_end(&x);
    reader_close(&r);
    return rc;
}

int cmd_export(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {
        {"format", 0, ARG_STRING, &o.format, "neuronrecord|neuronpedia|csv|jsonl",
         "neuronrecord: one JSON file per neuron, as\n"
         "openai/automated-interpretability loads them;\n"
         "neuronpedia: .jsonl.gz as Neuronpedia imports them;\n"
         "csv, jsonl: all tables, one file per table"},
        {"output", 'o', ARG_STRING, &o.output, "DIR", "the folder; it is made"},
        {"force", 0, ARG_FLAG, &o.force, NULL,
         "into a folder that is not empty, over files of the\nsame names"},
        {0}};
    const struct command command = {
        .name = "export",
        .usage = "run.db --format F -o DIR",
        .summary = "A run, finished or not, as files that other programs read.  A scan that is\n"
                   "still writing the run.db waits with its next checkpoint until this is done.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope export run.db --format csv -o tables",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
