#include "scan/plan/neuron_plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/mem.h"
#include "model/explain/effects.h"
#include "out/read/neuron_name.h"
#include "out/results/neurons/scores.h"

_Static_assert(RUN_EFFECTS == EFFECTS_TOKENS, "the tokens at either end");

void neuron_plan_free(struct neuron_plan *s)
{
    hypotheses_free(&s->hypotheses);
}

// --- what is asked for --------------------------------------------------------------------------

static int parse_histograms(uint32_t *out, const char *text, struct err *err)
{
    *out = 0;
    if (!text || strcmp(text, "all") == 0) {
        return 0;
    }
    int end = 0;
    unsigned n = 0;
    if (sscanf(text, "top %7u%n", &n, &end) != 1 || text[end] || n == 0 || strpbrk(text, "+-")) {
        return err_set(err, ERR_USAGE, "--histograms %s: all or 'top N' is wanted", text);
    }
    *out = n;
    return 0;
}

static int describe_sites(struct neuron_plan *s, struct run *run,
                          const struct neuron_plan_options *o, const struct lineup *l,
                          struct err *err)
{
    enum site wish;
    int rc = site_parse(o->site, &wish, err);
    size_t n_layers = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        const struct lineup_model *m = &l->models[i];
        const bool kept = !o->no_neurons && !m->config->attn_only;
        rc = kept ? model_site(m->weights, wish, &s->sites[i], err) : 0;
        if (rc) {
            err_set(err, rc, "--site %s: %s; without --site it is mid for SoLU, else post", o->site,
                    err->msg);
        }
        s->first_layers[i] = kept ? n_layers : SIZE_MAX;
        n_layers += kept ? m->config->n_layers : 0;
        run->models[i].site = rc ? NULL : strdup(kept ? site_name(s->sites[i]) : "");
        if (!rc && !run->models[i].site) {
            rc = err_nomem(err, "the run");
        }
    }
    return rc;
}

static int describe_hypotheses(struct neuron_plan *s, struct run *run, struct err *err)
{
    run->hypotheses = mem_zero(s->hypotheses.n, sizeof *run->hypotheses);
    if (!run->hypotheses) {
        return err_nomem(err, "the run");
    }
    for (size_t i = 0; i < s->hypotheses.n; i++) {
        const struct miner *m = &s->hypotheses.items[i];
        struct run_hypothesis *h = &run->hypotheses[run->n_hypotheses++];
        *h = (struct run_hypothesis){
            .name = strdup(m->name), .kind = strdup(m->kind->name), .spec = strdup(m->spec)};
        if (!h->name || !h->kind || !h->spec) {
            return err_nomem(err, "the run");
        }
    }
    return 0;
}

// --- watches ------------------------------------------------------------------------------------

/* Where "L0N424=HYPOTHESIS" begins: behind the colon of the first "MODEL:L0N424="; NULL: nowhere.
 */
static const char *find_neuron(const char *text, size_t *layer, size_t *neuron, size_t *end)
{
    for (const char *at = strchr(text, ':'); at; at = strchr(at + 1, ':')) {
        const size_t n = neuron_name_read(at + 1, layer, neuron);
        if (n > 0 && at[1 + n] == '=') {
            *end = (size_t)(at - text) + n + 2;
            return at;
        }
    }
    return NULL;
}

/* The model whose name is text[len]. */
static size_t find_model(const struct lineup *l, const char *text, size_t len)
{
    size_t i = 0;
    while (i < l->n &&
           (strncmp(text, l->models[i].name, len) != 0 || l->models[i].name[len] != '\0')) {
        i++;
    }
    return i;
}

static int parse_watch(struct neurons_watch *w, const char *text, const struct neuron_plan *s,
                       const struct lineup *l, struct err *err)
{
    size_t layer = 0, neuron = 0, end = 0;
    const char *colon = find_neuron(text, &layer, &neuron, &end);
    if (!colon) {
        return err_set(err, ERR_USAGE, "--watch %s: MODEL:L0N424=HYPOTHESIS is wanted", text);
    }
    const char *name = text + end;
    const size_t model = find_model(l, text, (size_t)(colon - text));
    if (model == l->n) {
        return err_set(err, ERR_USAGE, "--watch %s: %.*s is no model of this scan", text,
                       (int)(colon - text), text);
    }
    const struct config *c = l->models[model].config;
    if (s->first_layers[model] == SIZE_MAX) {
        return err_set(err, ERR_USAGE, "--watch %s: %s has none: it is %s", text,
                       l->models[model].name,
                       l->models[model].weights ? "attention-only" : "made of counts");
    }
    if (layer >= c->n_layers || neuron >= c->d_mlp) {
        return err_set(err, ERR_USAGE,
                       "--watch %s: %s has %zu layer%s of %zu neurons, both numbered from 0", text,
                       l->models[model].name, c->n_layers, c->n_layers == 1 ? "" : "s", c->d_mlp);
    }
    size_t h = 0;
    while (h < s->hypotheses.n && strcmp(s->hypotheses.items[h].name, name) != 0) {
        h++;
    }
    if (h == s->hypotheses.n) {
        return err_set(err, ERR_USAGE,
                       "--watch %s: there is no hypothesis %s; --hypotheses and --regex give them",
                       text, name);
    }
    *w = (struct neurons_watch){.layer = (uint32_t)(s->first_layers[model] + layer),
                                .neuron = (uint32_t)neuron,
                                .hypothesis = (uint32_t)h};
    return 0;
}

static int describe_watches(struct run *run, const struct neuron_plan *s,
                            const struct neuron_plan_options *o, const struct lineup *l,
                            struct err *err)
{
    run->watches = mem_zero(o->watches.n, sizeof *run->watches);
    int rc = run->watches ? 0 : err_nomem(err, "the run");
    for (size_t i = 0; i < o->watches.n && !rc; i++) {
        struct neurons_watch *w = &run->watches[i];
        rc = parse_watch(w, o->watches.items[i], s, l, err);
        for (size_t k = 0; k < i && !rc; k++) {
            if (memcmp(w, &run->watches[k], sizeof *w) == 0) {
                rc = err_set(err, ERR_USAGE, "--watch %s: given twice", o->watches.items[i]);
            }
        }
        run->n_watches += !rc;
    }
    return rc;
}

/* What says something of neurons where none are kept. */
static int check_no_neurons(const struct neuron_plan_options *o, struct err *err)
{
    const char *with = o->watches.n > 0 ? "watch"
                       : o->site        ? "site"
                       : o->histograms  ? "histograms"
                                        : NULL;
    return o->no_neurons && with
               ? err_set(err, ERR_USAGE, "--%s does not go with --no-neurons", with)
               : 0;
}

int neuron_plan_describe(struct neuron_plan *s, struct run *run,
                         const struct neuron_plan_options *o, const struct lineup *lineup,
                         struct err *err)
{
    if (o->examples > RUN_EXAMPLES_MAX) {
        return err_set(err, ERR_USAGE, "--examples %zu: at most %d", o->examples, RUN_EXAMPLES_MAX);
    }
    run->examples = (uint32_t)o->examples;
    int rc = check_no_neurons(o, err);
    rc = rc ? rc : parse_histograms(&run->histograms, o->histograms, err);
    rc = rc ? rc : hypothesis_args_load(&s->hypotheses, &o->mining, lineup->tokenizer, err);
    rc = rc ? rc : describe_sites(s, run, o, lineup, err);
    rc = rc ? rc : describe_hypotheses(s, run, err);
    rc = rc ? rc : describe_watches(run, s, o, lineup, err);
    return rc ? rc : run_shape_neurons(run, NULL, err);
}

// --- memory -------------------------------------------------------------------------------------

/* May it leave out documents? */
static bool is_unsure(const struct run_hypothesis *h)
{
    return strcmp(h->kind, "regex") == 0 || strcmp(h->kind, "plugin") == 0 ||
           strcmp(h->kind, "exec") == 0;
}

static uint64_t all_memory(const struct run *run, size_t n_threads, struct neurons_memory *memory)
{
    struct neurons_shape shape = *run->neurons;
    struct neurons_subset *top = NULL;
    size_t n_unsure = 0;
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        n_unsure += is_unsure(&run->hypotheses[h]);
    }
    if (run->histograms && !shape.subsets) { // as many as there will be
        top = mem_zero(shape.n_layers * shape.n_hypotheses, sizeof *top);
        for (size_t i = 0; top && i < shape.n_layers * shape.n_hypotheses; i++) {
            const size_t n = shape.layers[i / shape.n_hypotheses].n;
            top[i].n = run->histograms < n ? run->histograms : n;
        }
        shape.subsets = top;
    }
    neurons_memory(&shape, n_unsure, memory);
    free(top);
    return memory->whole + memory->saving + n_threads * memory->part;
}

/* Of a thread's trigrams, and the whole's. */
static uint64_t trigrams_each(const struct run *run)
{
    return run->trigrams ? trigrams_memory(run->trigrams) : 0;
}

int neuron_plan_check_memory(const struct run *run, size_t n_threads, struct err *err)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const double have = (double)pages * (double)page;
    struct neurons_memory memory;
    const double want = (run->neurons ? (double)all_memory(run, n_threads, &memory) : 0) +
                        (double)((1 + n_threads) * trigrams_each(run));
    if (pages <= 0 || page <= 0 || want < 0.9 * have) {
        return 0;
    }
    return err_set(err, ERR_LIMIT,
                   "neurons, hypotheses and trigrams may take %.1f GB of memory, and this machine "
                   "has %.1f; --histograms 'top 100', fewer --threads, hypotheses or trigrams "
                   "(--trigram-rule most=N), or --no-neurons",
                   want * 1e-9, have * 1e-9);
}

char *neuron_plan_text(const struct run *run, size_t n_threads)
{
    char *text = NULL, trigrams[80] = "";
    const size_t n = run->n_hypotheses;
    const char *plural = n == 1 ? "hypothesis" : "hypotheses";
    const double each = (double)trigrams_each(run);
    if (run->trigrams) {
        snprintf(trigrams, sizeof trigrams, ", %zu trigrams", run->trigrams->n);
    }
    if (!run->neurons) {
        return n == 0 && !run->trigrams                               ? strdup("")
               : asprintf(&text, "%zu %s%s", n, plural, trigrams) < 0 ? NULL
                                                                      : text;
    }
    struct neurons_memory memory;
    const double all = (double)all_memory(run, n_threads, &memory);
    const int len = asprintf(&text,
                             "%zu neurons, %zu %s%s: beside the models at most %.2f GB of memory "
                             "(%.2f, a thread %.2f, a checkpoint %.2f)",
                             run->neurons->n, n, plural, trigrams,
                             (all + (1 + (double)n_threads) * each) * 1e-9,
                             ((double)memory.whole + each) * 1e-9,
                             ((double)memory.part + each) * 1e-9, (double)memory.saving * 1e-9);
    return len < 0 ? NULL : text;
}

// --- before the pipeline ------------------------------------------------------------------------

static void keep_list(struct run_effect *to, const struct effects_list *from)
{
    for (size_t i = 0; i < RUN_EFFECTS; i++) {
        to[i] = i < from->n ? (struct run_effect){.token = from->tokens[i].id,
                                                  .value = from->tokens[i].value}
                            : (struct run_effect){.token = RUN_NO_TOKEN};
    }
}

/* Of one layer, to[n][RUN_EFFECT_KINDS][RUN_EFFECTS]. */
static int layer_effects(struct run_effect *to, const struct engine *e, size_t layer, size_t n,
                         bool exact_input, const atomic_int *stop, struct err *err)
{
    static const struct effects_list none;
    struct effects *output = mem_zero(n, sizeof *output), *input = mem_zero(n, sizeof *input);
    int rc = output && input ? 0 : err_nomem(err, "neurons");
    rc = rc ? rc : effects_output(e, layer, 0, n, output, stop, err);
    rc = rc || !exact_input ? rc : effects_input(e, 0, n, input, stop, err);
    for (size_t i = 0; i < n && !rc; i++, to += RUN_EFFECT_KINDS * RUN_EFFECTS) {
        keep_list(to + RUN_OUTPUT_TOP * RUN_EFFECTS, &output[i].greatest);
        keep_list(to + RUN_OUTPUT_BOTTOM * RUN_EFFECTS, &output[i].least);
        keep_list(to + RUN_INPUT_TOP * RUN_EFFECTS, exact_input ? &input[i].greatest : &none);
        keep_list(to + RUN_INPUT_BOTTOM * RUN_EFFECTS, exact_input ? &input[i].least : &none);
    }
    free(output);
    free(input);
    return rc;
}

int neuron_plan_effects(struct run *run, const struct predictor *predictors, const atomic_int *stop,
                        struct err *err)
{
    const struct neurons_shape *s = run->neurons;
    if (!s || run->effects) {
        return 0;
    }
    struct run_effect *effects = mem_new(s->n * RUN_EFFECT_KINDS * RUN_EFFECTS, sizeof *effects);
    int rc = effects ? 0 : err_nomem(err, "neurons");
    for (size_t i = 0; i < s->n_layers && !rc; i++) {
        const struct neurons_layer *l = &s->layers[i];
        rc = layer_effects(effects + l->first * RUN_EFFECT_KINDS * RUN_EFFECTS,
                           predictors[l->model].engine, l->layer, l->n,
                           run->models[l->model].n_layers == 1, stop, err);
    }
    if (rc || is_stopped(stop)) {
        free(effects);
        return rc;
    }
    run->effects = effects;
    return 0;
}

/* A neuron and how well it goes with a hypothesis. */
struct ranked {
    uint32_t neuron;
    double worth;
};

static int by_worth(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->worth != y->worth ? (x->worth > y->worth ? -1 : 1)
                                : (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

static int by_neuron(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of layer l and hypothesis h; ranked[n]: to be used. */
static int choose(struct neurons_subset *out, const struct neurons *first, size_t l, size_t h,
                  uint32_t most, struct ranked *ranked, struct err *err)
{
    const size_t n_neurons = first->shape->layers[l].n;
    for (size_t i = 0; i < n_neurons; i++) {
        struct score scores[SCORES];
        scores_of(first, l, i, SIZE_MAX, h, scores);
        const double r = fabs(scores[SCORE_ALL].r);
        ranked[i] = (struct ranked){.neuron = (uint32_t)i, .worth = isnan(r) ? 0 : r};
    }
    qsort(ranked, n_neurons, sizeof *ranked, by_worth);
    const size_t n = most < n_neurons ? most : n_neurons;
    uint32_t *items = mem_new(n, sizeof *items);
    if (!items) {
        return err_nomem(err, "neurons");
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = ranked[i].neuron;
    }
    qsort(items, n, sizeof *items, by_neuron);
    *out = (struct neurons_subset){.items = items, .n = n};
    return 0;
}

int neuron_plan_choose(struct run *run, struct neurons *first, struct err *err)
{
    const struct neurons_shape *s = first->shape;
    const size_t n = s->n_layers * s->n_hypotheses;
    struct neurons_subset *subsets = mem_zero(n, sizeof *subsets);
    struct ranked *ranked = mem_new(s->n, sizeof *ranked);
    int rc = subsets && ranked ? 0 : err_nomem(err, "neurons");
    for (size_t i = 0; i < n && !rc; i++) {
        rc = choose(&subsets[i], first, i / s->n_hypotheses, i % s->n_hypotheses, run->histograms,
                    ranked, err);
    }
    free(ranked);
    neurons_free(first); // before the run's layers, which its shape has
    rc = rc ? rc : run_shape_neurons(run, subsets, err);
    if (rc) {
        run_subsets_free(subsets, n);
    }
    return rc;
}
