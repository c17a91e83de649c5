#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/engine.h"
#include "out/read/head_name.h"
#include "out/read/neuron_name.h"
#include "out/text/screen.h"
#include "scan/cli/args.h"
#include "scan/cmd/acts_view.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"

struct options {
    struct arg_list models, neurons, heads;
    struct input_options input;
    const char *tokenizer, *site, *output, *color;
    bool show;
};

/* One model at work. */
struct watcher {
    struct acts_model asked;
    struct engine *engine;
    struct engine_ctx *ctx;
    enum row_site site;            // of its neurons
    uint32_t sites;                // ROW_BIT(site), or 0: no neurons
    uint64_t n_acts, n_not_finite; // so far
};

/* All models at work. */
struct watch {
    const struct options *options;
    struct watcher *watchers;  // [n]
    struct acts_model *models; // [n] theirs
    size_t n;
    const struct tokenizer *tokenizer; // NULL with --ids
    struct screen screen;              // for --show: its width and colour
    int rc;                            // the first failure
    struct err err;
};

/* Is 'spec' ("L0N5" or "NAME:L0N5") for model m?  *neuron is then the part after the name. */
static bool is_for(const char *spec, const struct model *m, const char **neuron)
{
    const char *colon = strrchr(spec, ':');
    *neuron = colon ? colon + 1 : spec;
    return !colon || (strlen(m->name) == (size_t)(colon - spec) &&
                      strncmp(m->name, spec, (size_t)(colon - spec)) == 0);
}

/* Is there a unit of this name?  One that is asked for twice is shown once. */
static bool has_unit(const struct acts_unit *units, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(units[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Appends 'text' to the neurons of a model. */
static int add_neuron(struct acts_model *m, const char *text, struct err *err)
{
    const struct config *c = &m->model->config;
    struct acts_unit neuron = {.name = text};
    const size_t end = neuron_name_read(text, &neuron.layer, &neuron.index);
    if (end == 0 || text[end]) {
        return err_set(err, ERR_USAGE, "--neuron %s: expected L<layer>N<index>, e.g. L0N5", text);
    }
    if (neuron.layer >= c->n_layers || neuron.index >= c->d_mlp) {
        return err_set(err, ERR_USAGE, "--neuron %s: %s has layers 0 to %zu, neurons 0 to %zu",
                       text, m->model->name, c->n_layers - 1, c->d_mlp - 1);
    }
    if (has_unit(m->neurons, m->n_neurons, text)) {
        return 0;
    }
    neuron.values = mem_new(m->n_ctx, sizeof *neuron.values);
    if (!neuron.values) {
        return err_nomem(err, "activations");
    }
    m->neurons[m->n_neurons++] = neuron;
    return 0;
}

/* Appends 'text' to the heads of a model. */
static int add_head(struct acts_model *m, const char *text, struct err *err)
{
    const struct config *c = &m->model->config;
    struct acts_unit head = {.name = text};
    const size_t end = head_name_read(text, &head.layer, &head.index);
    if (end == 0 || text[end]) {
        return err_set(err, ERR_USAGE, "--head %s: expected L<layer>H<index>, e.g. L1H3", text);
    }
    if (head.layer >= c->n_layers || head.index >= c->n_heads) {
        return err_set(err, ERR_USAGE, "--head %s: %s has layers 0 to %zu, heads 0 to %zu", text,
                       m->model->name, c->n_layers - 1, c->n_heads - 1);
    }
    if (has_unit(m->heads, m->n_heads, text)) {
        return 0;
    }
    size_t size;
    head.values = mem_mul(m->n_ctx, m->n_ctx, &size) ? mem_zero(size, sizeof *head.values) : NULL;
    if (!head.values) {
        return err_nomem(err, "attention");
    }
    m->heads[m->n_heads++] = head;
    return 0;
}

static int watcher_init(struct watcher *w, const struct model *m, const struct options *o,
                        enum site wish, size_t n_ctx, struct err *err)
{
    struct acts_model *asked = &w->asked;
    *w = (struct watcher){.asked = {.model = m, .n_ctx = n_ctx}};
    asked->neurons = mem_zero(o->neurons.n, sizeof *asked->neurons);
    asked->heads = mem_zero(o->heads.n, sizeof *asked->heads);
    if (!asked->neurons || !asked->heads) {
        return err_nomem(err, "neurons and heads");
    }
    enum site site = SITE_DEFAULT;
    int rc = 0;
    const char *name;
    for (size_t i = 0; i < o->neurons.n && !rc; i++) {
        if (is_for(o->neurons.items[i], m, &name)) {
            rc = model_site(m, wish, &site, err);
            rc = rc ? rc : add_neuron(asked, name, err);
        }
    }
    for (size_t i = 0; i < o->heads.n && !rc; i++) {
        rc = is_for(o->heads.items[i], m, &name) ? add_head(asked, name, err) : 0;
    }
    rc = rc ? rc : engine_new(&w->engine, m, kern_best(), PRECISION_EXACT, err);
    rc = rc ? rc : engine_ctx_new(&w->ctx, w->engine, err);
    if (!rc && asked->n_neurons > 0) {
        w->site = engine_neuron_site(site);
        w->sites = ROW_BIT(w->site);
    }
    return rc ? rc : engine_watch_sites(w->ctx, w->sites, err);
}

static void units_free(struct acts_unit *units, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(units[i].values);
    }
    free(units);
}

static void watcher_free(struct watcher *w)
{
    units_free(w->asked.neurons, w->asked.n_neurons);
    units_free(w->asked.heads, w->asked.n_heads);
    engine_ctx_free(w->ctx);
    engine_free(w->engine);
}

/* engine_rows() of one window */
static void keep_acts(void *context, size_t layer, enum row_site site,
                      const struct engine_window *window, size_t n_windows, const float *acts)
{
    (void)site;
    (void)n_windows;
    const struct acts_model *m = context;
    const size_t d_mlp = m->model->config.d_mlp;
    for (size_t k = 0; k < m->n_neurons; k++) {
        const struct acts_unit *neuron = &m->neurons[k];
        for (size_t i = 0; neuron->layer == layer && i < window->n + 1; i++) {
            neuron->values[i] = acts[i * d_mlp + neuron->index];
        }
    }
}

/* engine_pattern() */
static void keep_pattern(void *context, size_t layer, size_t head,
                         const struct engine_window *window, size_t i0, size_t n,
                         const float *pattern)
{
    (void)window;
    const struct acts_model *m = context;
    const size_t n_keys = i0 + n;
    for (size_t k = 0; k < m->n_heads; k++) {
        const struct acts_unit *unit = &m->heads[k];
        for (size_t i = 0; unit->layer == layer && unit->index == head && i < n; i++) {
            memcpy(unit->values + (i0 + i) * m->n_ctx, pattern + i * n_keys,
                   (i0 + i + 1) * sizeof *pattern);
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
                    " values are not finite: they are null\n",
                    w->asked.model->name, w->n_not_finite, w->n_acts);
        }
    }
}

static void each_window(void *context, const struct window *window, FILE *to)
{
    struct watch *watch = context;
    for (size_t i = 0; i < watch->n; i++) {
        struct watcher *w = &watch->watchers[i];
        const struct acts_model *m = &w->asked;
        const struct engine_watch of = {.sites = w->sites,
                                        .rows = w->sites ? keep_acts : NULL,
                                        .pattern = m->n_heads > 0 ? keep_pattern : NULL,
                                        .context = &w->asked};
        const struct engine_window ids = {
            .first = window->ids[0], .tokens = window->ids + 1, .n = window->n - 1};
        engine_watch_layers(w->ctx, &ids, 1, &of, NULL);
        for (size_t k = 0; k < m->n_neurons; k++) {
            count(w, m->neurons[k].values, window->n);
        }
        for (size_t k = 0; k < m->n_heads; k++) {
            for (size_t row = 0; row < window->n; row++) {
                count(w, m->heads[k].values + row * m->n_ctx, row + 1);
            }
        }
        watch->models[i] = *m;
    }
    if (watch->options->show && !watch->rc) {
        watch->rc = acts_view_put(watch->models, watch->n, window, watch->tokenizer, &watch->screen,
                                  to, &watch->err);
    } else if (!watch->options->show) {
        acts_view_json(watch->models, watch->n, window, to);
    }
}

/* Every "NAME:..." names a model of the run. */
static int check_list(const char *option, const struct arg_list *list, const struct lineup *lineup,
                      struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *spec = list->items[i], *unit;
        bool found = false;
        for (size_t k = 0; k < lineup->n && !found; k++) {
            found = is_for(spec, lineup->models[k].weights, &unit);
        }
        if (!found) {
            return err_set(err, ERR_USAGE, "--%s %s: no --model has this name%s", option, spec,
                           lineup_nearest(lineup, spec, strcspn(spec, ":")).text);
        }
    }
    return 0;
}

static int check_names(const struct options *o, const struct lineup *lineup, struct err *err)
{
    if (o->neurons.n == 0 && o->heads.n == 0) {
        return err_set(err, ERR_USAGE,
                       "--neuron is missing, e.g. --neuron L0N5, or --head, e.g. --head L1H3");
    }
    if (o->site && o->neurons.n == 0) {
        return err_set(err, ERR_USAGE, "--site is of neurons, and there is no --neuron");
    }
    const int rc = check_list("neuron", &o->neurons, lineup, err);
    return rc ? rc : check_list("head", &o->heads, lineup, err);
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    struct lineup lineup = {0};
    struct watch watch = {.options = o};
    enum site site;
    int rc = site_parse(o->site, &site, err);
    rc = rc ? rc : screen_open(&watch.screen, o->color, o->output, err);
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
    watch.models = mem_zero(lineup.n, sizeof *watch.models);
    watch.tokenizer = o->input.ids ? NULL : lineup.tokenizer;
    if (!watch.watchers || !watch.models) {
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
        rc = rc ? rc : watch.rc ? err_set(err, watch.rc, "%s", watch.err.msg) : 0;
        print_not_finite(&watch);
    }
out:
    for (size_t i = 0; i < watch.n; i++) {
        watcher_free(&watch.watchers[i]);
    }
    free(watch.watchers);
    free(watch.models);
    lineup_free(&lineup);
    screen_discard(&watch.screen);
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
        {"head", 0, ARG_LIST, &o.heads, "L1H3",
         "layer 1, head 3: its attention pattern; as --neuron"},
        {"site", 0, ARG_STRING, &o.site, "pre|mid|post",
         "mid: SoLU before its norm; mid for SoLU, else post if not\ngiven"},
        ARGS_GROUP("the input"),
        IDS_ARG(&o.input),
        INPUT_ARGS(&o.input),
        SPECIAL_ARG(&o.input),
        ARGS_GROUP("the output"),
        {"show", 0, ARG_FLAG, &o.show, NULL,
         "tables for people: activations by token, and where a\nhead looks from each token"},
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "acts",
        .usage = "--model M --neuron L0N5 [--neuron ...] [options] INPUT\n"
                 "--model M --head L1H3 [--head ...] [options] INPUT",
        .summary =
            "Activations of neurons, and attention of heads, on every token of INPUT (a file,\n"
            "also .zst or .gz, or -), as JSONL, one line per window:\n"
            "  {\"doc\",\"window\",\"ids\":[n],\"ends\":[n],\"acts\":{\"NAME\":{\"L0N5\":[n]}},\n"
            "   \"pattern\":{\"NAME\":{\"L1H3\":[n]}}}\n"
            "Row i of a pattern has i + 1 values, how much position i looks at positions 0 to i.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "INPUT",
        .examples = "gapscope acts --model gelu-1l --neuron L0N71 corpus.txt\n"
                    "gapscope acts --model attn-only-2l --head L1H3 --show prompt.txt",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
