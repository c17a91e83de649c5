#include "scan/plan/neuron_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/mem.h"
#include "out/read/neuron_name.h"
#include "out/results/neurons/neurons_collector.h"
#include "out/results/neurons/neurons.h"
#include "out/results/token_means/token_means_collector.h"

void neuron_plan_free(struct neuron_plan *s)
{
    hypotheses_free(&s->hypotheses);
    free(s->first_layers);
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
        return err_set(err, ERR_USAGE, "--histograms %s: expected all or 'top N'", text);
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
        const bool kept = !o->no_neurons && !m->config->attn_only && m->changes.n == 0;
        enum site site = SITE_DEFAULT;
        rc = kept ? model_site(m->weights, wish, &site, err) : 0;
        if (rc) {
            err_set(err, rc, "--site %s: %s; without --site it is mid for SoLU, else post", o->site,
                    err->msg);
        }
        s->first_layers[i] = kept ? n_layers : SIZE_MAX;
        n_layers += kept ? m->config->n_layers : 0;
        run->models[i].site = rc ? NULL : strdup(kept ? site_name(site) : "");
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
        *h = (struct run_hypothesis){.name = strdup(m->name),
                                     .kind = strdup(m->kind->name),
                                     .spec = strdup(m->spec),
                                     .predicts_next = m->predicts_next,
                                     .answers_itself = m->answers_itself,
                                     .n_answers = (uint32_t)m->n_answers};
        memcpy(h->answers, m->answers, sizeof h->answers);
        if (!h->name || !h->kind || !h->spec) {
            return err_nomem(err, "the run");
        }
    }
    return 0;
}

// --- watches ------------------------------------------------------------------------------------

/* Finds "L0N424=HYPOTHESIS" behind the first colon that it follows; NULL: there is none. */
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

static struct nearest nearest_hypothesis(const struct hypotheses *h, const char *word)
{
    struct nearest near = {""};
    const char **names = mem_new(h->n, sizeof *names);
    for (size_t i = 0; names && i < h->n; i++) {
        names[i] = h->items[i].name;
    }
    if (names) {
        near = nearest_names(word, "", names, h->n);
    }
    free(names);
    return near;
}

static int parse_watch(struct neurons_watch *w, const char *text, const struct neuron_plan *s,
                       const struct lineup *l, struct err *err)
{
    size_t layer = 0, neuron = 0, end = 0;
    const char *colon = find_neuron(text, &layer, &neuron, &end);
    if (!colon) {
        return err_set(err, ERR_USAGE, "--watch %s: expected MODEL:L0N424=HYPOTHESIS", text);
    }
    const char *name = text + end;
    const size_t model = find_model(l, text, (size_t)(colon - text));
    if (model == l->n) {
        return err_set(err, ERR_USAGE, "--watch %s: %.*s is not a model of this scan%s", text,
                       (int)(colon - text), text,
                       lineup_nearest(l, text, (size_t)(colon - text)).text);
    }
    const struct config *c = l->models[model].config;
    if (s->first_layers[model] == SIZE_MAX) {
        return err_set(err, ERR_USAGE, "--watch %s: %s has no neurons: it is %s", text,
                       l->models[model].name,
                       l->models[model].changes.n > 0 ? "a changed model"
                       : l->models[model].weights     ? "attention-only"
                                                      : "made of counts");
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
        return err_set(
            err, ERR_USAGE,
            "--watch %s: there is no hypothesis %s; --hypotheses and --regex give them%s", text,
            name, nearest_hypothesis(&s->hypotheses, name).text);
    }
    *w = (struct neurons_watch){.layer = (uint32_t)(s->first_layers[model] + layer),
                                .neuron = (uint32_t)neuron,
                                .hypothesis = (uint32_t)h};
    return 0;
}

static int parse_watches(struct neurons_watch *watches, const struct neuron_plan *s,
                         const struct neuron_plan_options *o, const struct lineup *l,
                         struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->watches.n && !rc; i++) {
        struct neurons_watch *w = &watches[i];
        rc = parse_watch(w, o->watches.items[i], s, l, err);
        for (size_t k = 0; k < i && !rc; k++) {
            if (memcmp(w, &watches[k], sizeof *w) == 0) {
                rc = err_set(err, ERR_USAGE, "--watch %s: given twice", o->watches.items[i]);
            }
        }
    }
    return rc;
}

/* Refuses options about neurons where none are kept. */
static int check_no_neurons(const struct neuron_plan_options *o, struct err *err)
{
    const char *with = o->watches.n > 0 ? "watch"
                       : o->site        ? "site"
                       : o->histograms  ? "histograms"
                       : o->token_means != NEURON_PLAN_NOT_GIVEN && o->token_means > 0
                           ? "token-means"
                           : NULL;
    return o->no_neurons && with
               ? err_set(err, ERR_USAGE, "--%s does not go with --no-neurons", with)
               : 0;
}

/* Adds the neurons that are asked for to the run's results. */
static int join_neurons(struct results *results, const struct neuron_plan *s, const struct run *run,
                        const struct neuron_plan_options *o, const struct lineup *lineup,
                        struct err *err)
{
    struct neurons_shape *shape = NULL;
    struct neurons_watch *watches = mem_zero(o->watches.n, sizeof *watches);
    struct neurons_ask ask = {
        .watches = watches, .n_watches = o->watches.n, .examples = (uint32_t)o->examples};
    int rc = watches ? 0 : err_nomem(err, "the run");
    rc = rc ? rc : parse_histograms(&ask.histograms, o->histograms, err);
    rc = rc ? rc : parse_watches(watches, s, o, lineup, err);
    rc = rc ? rc : neurons_shape_make(&shape, run, &ask, err);
    free(watches);
    if (rc || !shape) {
        return rc;
    }
    return results_join(results, &neurons_collector, shape, err);
}

/* Chooses the tokens by the first counts of the lineup; where it has none, the scan does it. */
static int choose_by_counts(struct token_means_shape *s, const struct lineup *l, struct err *err)
{
    size_t i = 0;
    while (i < l->n && l->models[i].weights) {
        i++;
    }
    if (i == l->n) {
        return 0;
    }
    uint64_t *counts = mem_zero(s->d_vocab, sizeof *counts);
    if (!counts) {
        return err_nomem(err, "means by token");
    }
    for (size_t id = 0; id < s->d_vocab; id++) {
        counts[id] = ngrams_word(l->models[i].counts.ngrams, (uint32_t)id)->count;
    }
    const int rc = token_means_shape_choose(s, counts, err);
    free(counts);
    return rc;
}

/* Adds the means by token to the run's results. */
static int join_token_means(struct results *results, const struct run *run,
                            const struct neuron_plan_options *o, const struct lineup *l,
                            struct err *err)
{
    const size_t n =
        o->token_means == NEURON_PLAN_NOT_GIVEN ? NEURON_PLAN_TOKEN_MEANS : o->token_means;
    struct token_means_shape *shape = NULL;
    if (n > TOKEN_MEANS_MOST) {
        return err_set(err, ERR_USAGE, "--token-means %zu: at most %d", n, TOKEN_MEANS_MOST);
    }
    int rc = n > 0 ? token_means_shape_new(&shape, run, (uint32_t)n, err) : 0;
    if (rc || !shape) {
        return rc;
    }
    rc = choose_by_counts(shape, l, err);
    if (rc) {
        token_means_shape_free(shape);
        return rc;
    }
    return results_join(results, &token_means_collector, shape, err);
}

int neuron_plan_describe(struct neuron_plan *s, struct run *run, struct results *results,
                         const struct neuron_plan_options *o, const char *packing,
                         const struct lineup *lineup, struct err *err)
{
    const struct hypothesis_windows windows = {
        .n_vocab = lineup->d_vocab, .n_ctx = lineup->n_ctx, .packing = packing};
    if (o->examples > NEURONS_EXAMPLES_MAX) {
        return err_set(err, ERR_USAGE, "--examples %zu: at most %d", o->examples,
                       NEURONS_EXAMPLES_MAX);
    }
    s->first_layers = mem_new(lineup->n, sizeof *s->first_layers);
    int rc = s->first_layers ? check_no_neurons(o, err) : err_nomem(err, "the run");
    rc = rc ? rc
            : hypothesis_args_load(&s->hypotheses, &o->labelling, &windows, lineup->tokenizer, err);
    rc = rc ? rc : describe_sites(s, run, o, lineup, err);
    rc = rc ? rc : describe_hypotheses(s, run, err);
    rc = rc ? rc : join_neurons(results, s, run, o, lineup, err);
    return rc ? rc : join_token_means(results, run, o, lineup, err);
}
