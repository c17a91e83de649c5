#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "model/pass/engine.h"
#include "out/read/neuron_name.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"

struct options {
    struct arg_list models, neurons;
    struct input_options input;
    const char *tokenizer, *site, *output;
};

/* A neuron that was asked for, of one model. */
struct neuron {
    const char *name; // as it was written: "L0N5", without its model
    size_t layer, index;
    float *acts; // [n_ctx], of the current window
};

/* One model at work. */
struct watcher {
    const struct model *model;
    struct engine *engine;
    struct engine_ctx *ctx;
    enum row_site site;
    struct neuron *neurons; // [n], in the order asked for
    size_t n;
    uint64_t n_acts, n_not_finite; // so far
};

/* All models at work. */
struct watch {
    struct watcher *watchers; // [n]
    size_t n;
};

/* Is 'spec' ("L0N5" or "NAME:L0N5") for model m?  *neuron is then the part after the name. */
static bool is_for(const char *spec, const struct model *m, const char **neuron)
{
    const char *colon = strrchr(spec, ':');
    *neuron = colon ? colon + 1 : spec;
    return !colon || (strlen(m->name) == (size_t)(colon - spec) &&
                      strncmp(m->name, spec, (size_t)(colon - spec)) == 0);
}

/* Appends 'text' to the neurons of w. */
static int add_neuron(struct watcher *w, const char *text, size_t n_ctx, struct err *err)
{
    const struct config *c = &w->model->config;
    struct neuron neuron = {.name = text};
    const size_t end = neuron_name_read(text, &neuron.layer, &neuron.index);
    if (end == 0 || text[end]) {
        return err_set(err, ERR_USAGE, "--neuron %s: expected L<layer>N<index>, e.g. L0N5", text);
    }
    if (neuron.layer >= c->n_layers || neuron.index >= c->d_mlp) {
        return err_set(err, ERR_USAGE, "--neuron %s: %s has layers 0 to %zu, neurons 0 to %zu",
                       text, w->model->name, c->n_layers - 1, c->d_mlp - 1);
    }
    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->neurons[i].name, text) == 0) {
            return 0; // asked for twice, shown once
        }
    }
    neuron.acts = mem_new(n_ctx, sizeof *neuron.acts);
    if (!neuron.acts) {
        return err_nomem(err, "activations");
    }
    w->neurons[w->n++] = neuron;
    return 0;
}

static int watcher_init(struct watcher *w, const struct model *m, const struct options *o,
                        enum site wish, size_t n_ctx, struct err *err)
{
    *w = (struct watcher){.model = m};
    w->neurons = mem_zero(o->neurons.n, sizeof *w->neurons);
    if (!w->neurons) {
        return err_nomem(err, "neurons");
    }
    enum site site;
    int rc = model_site(m, wish, &site, err);
    for (size_t i = 0; i < o->neurons.n && !rc; i++) {
        const char *neuron;
        if (is_for(o->neurons.items[i], m, &neuron)) {
            rc = add_neuron(w, neuron, n_ctx, err);
        }
    }
    rc = rc ? rc : engine_new(&w->engine, m, kern_best(), PRECISION_EXACT, err);
    rc = rc ? rc : engine_ctx_new(&w->ctx, w->engine, err);
    if (rc) {
        return rc;
    }
    w->site = engine_neuron_site(site);
    return engine_watch_sites(w->ctx, ROW_BIT(w->site), err);
}

static void watcher_free(struct watcher *w)
{
    for (size_t i = 0; i < w->n; i++) {
        free(w->neurons[i].acts);
    }
    free(w->neurons);
    engine_ctx_free(w->ctx);
    engine_free(w->engine);
}

/* engine_rows() of one window */
static void keep_acts(void *context, size_t layer, enum row_site site,
                      const struct engine_window *window, size_t n_windows, const float *acts)
{
    (void)site;
    (void)n_windows;
    struct watcher *w = context;
    const size_t d_mlp = w->model->config.d_mlp;
    for (size_t k = 0; k < w->n; k++) {
        const struct neuron *neuron = &w->neurons[k];
        for (size_t i = 0; neuron->layer == layer && i < window->n + 1; i++) {
            neuron->acts[i] = acts[i * d_mlp + neuron->index];
        }
    }
}

static void count(struct watcher *w, const float *acts, size_t n)
{
    w->n_acts += n;
    for (size_t i = 0; i < n; i++) {
        w->n_not_finite += !isfinite(acts[i]);
    }
}

static void print_not_finite(const struct watch *watch)
{
    for (size_t i = 0; i < watch->n; i++) {
        const struct watcher *w = &watch->watchers[i];
        if (w->n_not_finite > 0) {
            fprintf(stderr,
                    "gapscope acts: %s: %" PRIu64 " of %" PRIu64
                    " activations are not finite: they are null\n",
                    w->model->name, w->n_not_finite, w->n_acts);
        }
    }
}

static void each_window(void *context, const struct window *window, FILE *to)
{
    const struct watch *watch = context;
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    window_head(&j, window);
    jsonout_key(&j, "acts");
    jsonout_begin(&j, '{');
    for (size_t i = 0; i < watch->n; i++) {
        struct watcher *w = &watch->watchers[i];
        const struct engine_watch of = {.sites = ROW_BIT(w->site), .rows = keep_acts, .context = w};
        const struct engine_window ids = {
            .first = window->ids[0], .tokens = window->ids + 1, .n = window->n - 1};
        engine_watch_layers(w->ctx, &ids, 1, &of, NULL);
        jsonout_key(&j, w->model->name);
        jsonout_begin(&j, '{');
        for (size_t k = 0; k < w->n; k++) {
            jsonout_key(&j, w->neurons[k].name);
            jsonout_floats(&j, w->neurons[k].acts, window->n);
            count(w, w->neurons[k].acts, window->n);
        }
        jsonout_end(&j, '}');
    }
    jsonout_end(&j, '}');
    jsonout_end(&j, '}');
}

/* Every "NAME:..." names a model of the run. */
static int check_names(const struct options *o, const struct lineup *lineup, struct err *err)
{
    if (o->neurons.n == 0) {
        return err_set(err, ERR_USAGE, "--neuron is missing, e.g. --neuron L0N5");
    }
    for (size_t i = 0; i < o->neurons.n; i++) {
        bool found = false;
        for (size_t k = 0; k < lineup->n && !found; k++) {
            const char *neuron;
            found = is_for(o->neurons.items[i], lineup->models[k].weights, &neuron);
        }
        if (!found) {
            const char *spec = o->neurons.items[i];
            return err_set(err, ERR_USAGE, "--neuron %s: no --model has this name%s", spec,
                           lineup_nearest(lineup, spec, strcspn(spec, ":")).text);
        }
    }
    return 0;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    struct lineup lineup = {0};
    struct watch watch = {0};
    enum site site;
    int rc = site_parse(o->site, &site, err);
    if (!rc) {
        rc = lineup_load(&lineup, &o->models, o->tokenizer, !o->input.ids, err);
    }
    rc = rc ? rc : lineup_need_weights(&lineup, err);
    rc = rc ? rc : lineup_need_unchanged(&lineup, "acts", err);
    if (!rc) {
        rc = check_names(o, &lineup, err);
    }
    if (rc) {
        goto out;
    }
    watch.watchers = mem_zero(lineup.n, sizeof *watch.watchers);
    if (!watch.watchers) {
        rc = err_nomem(err, "neurons");
        goto out;
    }
    while (!rc && watch.n < lineup.n) {
        rc = watcher_init(&watch.watchers[watch.n], lineup.models[watch.n].weights, o, site,
                          lineup.n_ctx, err);
        watch.n++;
    }
    if (!rc) {
        rc = windows_run(operands->items[0], &o->input, &lineup, o->output, each_window, NULL,
                         &watch, status, err);
        print_not_finite(&watch);
    }
out:
    for (size_t i = 0; i < watch.n; i++) {
        watcher_free(&watch.watchers[i]);
    }
    free(watch.watchers);
    lineup_free(&lineup);
    return rc;
}

int cmd_acts(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {
        ARGS_GROUP("the models"),
        WEIGHTS_ARGS(&o.models, &o.tokenizer),
        ARGS_GROUP("what is asked"),
        {"neuron", 'n', ARG_LIST, &o.neurons, "L0N5",
         "layer 0, neuron 5, of every model, or NAME:L0N5 of\none; may be given several times"},
        {"site", 0, ARG_STRING, &o.site, "pre|mid|post",
         "mid: SoLU before its norm; mid for SoLU, else post if not\ngiven"},
        ARGS_GROUP("the input"),
        IDS_ARG(&o.input),
        INPUT_ARGS(&o.input),
        SPECIAL_ARG(&o.input),
        ARGS_GROUP("the output"),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "acts",
        .usage = "--model M --neuron L0N5 [--neuron ...] [options] INPUT",
        .summary =
            "Activations of neurons on every token of INPUT (a file, also .zst or .gz, or -),\n"
            "as JSONL, one line per window:\n"
            "  {\"doc\",\"window\",\"ids\":[n],\"ends\":[n],\"acts\":{\"NAME\":{\"L0N5\":[n]}}}",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "INPUT",
        .examples = "gapscope acts --model gelu-1l --neuron L0N71 corpus.txt",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
