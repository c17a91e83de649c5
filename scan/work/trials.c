#include "scan/work/trials.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/pool.h"
#include "corpora/base/stop.h"
#include "model/explain/trial.h"
#include "model/load/model.h"
#include "out/results/neurons/neurons_collector.h"
#include "out/results/trigrams/trial_rows.h"
#include "out/results/trigrams/trigrams_collector.h"
#include "out/sql/sql.h"
#include "scan/cli/progress.h"
#include "scan/plan/plan.h"
#include "scan/plan/trigram_choice.h"

_Static_assert((int)TRIAL_CELLS == (int)TRIGRAM_CELLS && (int)TRIAL_XB == (int)TRIGRAM_XB &&
                   (int)TRIAL_AX == (int)TRIGRAM_AX,
               "cells in one order");
_Static_assert(TRIGRAM_PLACES <= TRIAL_CONTEXTS && TRIGRAM_ELSEWHERE <= TRIAL_ELSEWHERE &&
                   TRIGRAM_FILLERS <= TRIAL_LISTED,
               "room for what a scan keeps");

/* A trigram that is tested. */
struct trial_item {
    uint32_t item;
    __int128 gain; // fixed
};

struct work {
    const struct trials *t;
    const struct trial_item *items; // [n]
    size_t n;
    size_t *first_layers;       // [n_models] of the run's neurons; SIZE_MAX: none are kept
    enum site *sites;           // [n_models]
    struct trigram_test *tests; // [n][n_models]
    atomic_size_t next, n_done; // of items
};

/* What a thread has. */
struct worker_state {
    struct trial **trials;    // [n_models]; NULL: not needed, as all of these
    struct engine_ctx **runs; // [n_models]
    double *means;            // [TRIGRAM_CELLS][most neurons of a model]
};

bool trials_are_due(const struct run *run, const struct results *results)
{
    return trigrams_of(results) != NULL && run_is_finished(run);
}

// --- which --------------------------------------------------------------------------------------

static int by_gain(const void *a, const void *b)
{
    const struct trial_item *x = a, *y = b;
    return x->gain != y->gain ? (x->gain > y->gain ? -1 : 1)
                              : (x->item > y->item) - (x->item < y->item);
}

/* The trigrams that are worth it, by what is gained, most first. */
static int choose(struct trial_item **out, size_t *n, const struct trials *t, struct err *err)
{
    const struct trigrams *all = trigrams_of(t->results);
    const struct trigrams_shape *s = all->shape;
    struct trigram_choice_rule rule;
    int rc = trigram_choice_rule_of(&rule, t->run, err);
    *n = 0;
    *out = rc ? NULL : mem_new(s->n, sizeof **out);
    if (rc || !*out) {
        return rc ? rc : err_nomem(err, "trigrams");
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct moments *gap = s->n_pairs > 0 ? &all->gap[i * s->n_pairs] : NULL;
        const uint64_t docs = all->items[i].docs;
        if (docs >= TRIGRAM_CHOICE_DOCS && (!gap || moments_mean(gap) >= rule.gap)) {
            (*out)[(*n)++] = (struct trial_item){
                .item = (uint32_t)i, .gain = gap ? gap->sum : (__int128)all->items[i].n};
        }
    }
    qsort(*out, *n, sizeof **out, by_gain);
    *n = *n < rule.test ? *n : rule.test;
    return 0;
}

// --- one trigram --------------------------------------------------------------------------------

static bool all_below(const uint32_t *ids, size_t n, size_t d_vocab)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= d_vocab) {
            return false;
        }
    }
    return true;
}

/* Contexts from the places of a list: of each what stands before it in its window, and with 'own'
 * its own token too.  What a run.db says is checked: those that do not end in tail[n_tail], or have
 * ids that the model has not, are left out.  Returns how many. */
static size_t contexts_of(struct trial_context *to, const struct example_list *list, bool own,
                          const uint32_t *tail, size_t n_tail, size_t d_vocab)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct example *e = &list->items[i];
        const size_t end = (size_t)e->before + own; // of ids, which begin with the window's first
        if (end < 1 + n_tail || end > e->n_tokens || !all_below(e->ids, end, d_vocab) ||
            memcmp(e->ids + end - n_tail, tail, n_tail * sizeof *tail) != 0) {
            continue;
        }
        to[n++] = (struct trial_context){.first = e->ids[0], .ids = e->ids + 1, .n = end - 1};
    }
    return n;
}

/* means[TRIGRAM_CELLS][n_layers * d_mlp] in the corpus. */
static void corpus_means(const struct work *w, size_t item, size_t model, double *means)
{
    const struct trials *t = w->t;
    const struct neurons *neurons = neurons_of(t->results);
    const struct run_model *m = &t->run->models[model];
    const uint64_t all =
        neurons->sets[SPLIT_DEV][SET_ALL].tokens + neurons->sets[SPLIT_TEST][SET_ALL].tokens;
    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t layer = w->first_layers[model] + l;
        for (size_t i = 0; i < m->d_mlp; i++) {
            double cells[TRIGRAM_CELLS];
            __int128 sum;
            // the cells' sums have no activation beyond ACT_MAX
            const bool known = neurons_sum_all(neurons, layer, i, &sum);
            trigrams_means(trigrams_of(t->results), item, layer, i, sum, all, cells);
            for (size_t k = 0; k < TRIGRAM_CELLS; k++) {
                means[k * m->n_layers * m->d_mlp + l * m->d_mlp + i] = known ? cells[k] : NAN;
            }
        }
    }
}

static struct trigram_neuron neuron_of(const struct trial_neuron *n)
{
    struct trigram_neuron out = {
        .layer = n->layer,
        .index = n->index,
        .kind = trial_kind_name(n->kind),
        .corpus_interaction = n->corpus_interaction,
        .interaction = n->pairs.interaction,
        .se = n->pairs.se,
        .direct = n->direct,
        .written = n->written,
        .share = n->share,
        .ablated = n->ablated,
        .ablated_se = n->ablated_se,
        .ablated_elsewhere = n->elsewhere,
    };
    memcpy(out.corpus, n->corpus, sizeof out.corpus);
    memcpy(out.pairs, n->pairs.cells, sizeof out.pairs);
    return out;
}

static int keep(struct trigram_test *out, size_t item, size_t model, const struct trial_result *r,
                struct err *err)
{
    *out = (struct trigram_test){.trigram = (uint32_t)item,
                                 .model = (uint32_t)model,
                                 .contexts = r->contexts,
                                 .pairs = r->contexts > 0 ? r->pairs : 0,
                                 .lp = {NAN, NAN, NAN, NAN},
                                 .interaction = NAN,
                                 .se = NAN,
                                 .verdict = trial_verdict_name(r),
                                 .named = SIZE_MAX};
    if (r->contexts == 0) {
        return 0;
    }
    memcpy(out->lp, r->table.cells, sizeof out->lp);
    out->interaction = r->table.interaction;
    out->se = r->table.se;
    out->named = r->named;
    out->half = r->n_half;
    out->neurons = mem_new(r->n_neurons, sizeof *out->neurons);
    if (!out->neurons) {
        return err_nomem(err, "trials");
    }
    for (; out->n_neurons < r->n_neurons; out->n_neurons++) {
        out->neurons[out->n_neurons] = neuron_of(&r->neurons[out->n_neurons]);
    }
    return 0;
}

/* Tests a trigram on a model; one that lacks some of its ids gets no context. */
static int test_one(struct work *w, struct worker_state *h, size_t item, size_t model,
                    struct trigram_test *out, struct err *err)
{
    const struct trigram *x = &trigrams_of(w->t->results)->shape->items[item];
    const struct trigram_sums *sums = &trigrams_of(w->t->results)->items[item];
    const size_t d_vocab = engine_model(w->t->engines[model])->config.d_vocab;
    struct trial_context contexts[TRIAL_CONTEXTS], elsewhere[TRIAL_ELSEWHERE];
    const uint32_t tail[] = {x->a, x->b};
    struct trial_trigram trigram = {.a = x->a,
                                    .b = x->b,
                                    .c = x->c,
                                    .fillers_a = x->fillers[0],
                                    .fillers_b = x->fillers[1],
                                    .contexts = contexts,
                                    .elsewhere = elsewhere};
    if (x->c < d_vocab && all_below(x->fillers[0], x->n_fillers[0], d_vocab) &&
        all_below(x->fillers[1], x->n_fillers[1], d_vocab)) {
        trigram.n_fillers_a = x->n_fillers[0];
        trigram.n_fillers_b = x->n_fillers[1];
        trigram.n_contexts = contexts_of(contexts, &sums->places, false, tail, 2, d_vocab);
        trigram.n_elsewhere = contexts_of(elsewhere, &sums->elsewhere, true, tail + 1, 1, d_vocab);
    }
    if (w->first_layers[model] != SIZE_MAX) {
        corpus_means(w, item, model, h->means);
        trigram.corpus = h->means;
    }
    struct trial_result result;
    trial_run(h->trials[model], h->runs[model], &trigram, &result, w->t->stop);
    return is_stopped(w->t->stop) ? 0 : keep(out, item, model, &result, err);
}

// --- threads ------------------------------------------------------------------------------------

static int hand_open(struct worker_state *h, const struct work *w, struct err *err)
{
    const struct run *run = w->t->run;
    size_t most = 0;
    h->trials = mem_zero(run->n_models, sizeof *h->trials);
    h->runs = mem_zero(run->n_models, sizeof *h->runs);
    for (size_t m = 0; m < run->n_models; m++) {
        const size_t n =
            w->first_layers[m] == SIZE_MAX ? 0 : run->models[m].n_layers * run->models[m].d_mlp;
        most = n > most ? n : most;
    }
    h->means = mem_new(most * TRIGRAM_CELLS, sizeof *h->means);
    int rc = h->trials && h->runs && h->means ? 0 : err_nomem(err, "trials");
    for (size_t m = 0; m < run->n_models && !rc; m++) {
        if (w->t->engines[m]) {
            rc = engine_ctx_new(&h->runs[m], w->t->engines[m], err);
            rc = rc ? rc : trial_new(&h->trials[m], w->t->engines[m], w->sites[m], err);
        }
    }
    return rc;
}

static void hand_close(struct worker_state *h, size_t n_models)
{
    for (size_t m = 0; m < n_models; m++) {
        if (h->trials) {
            trial_free(h->trials[m]);
        }
        if (h->runs) {
            engine_ctx_free(h->runs[m]);
        }
    }
    free(h->trials);
    free(h->runs);
    free(h->means);
}

/* pool_fn() */
static int work_main(void *context, struct pool *pool, struct err *err)
{
    struct work *w = context;
    const size_t n_models = w->t->run->n_models;
    struct worker_state h = {0};
    int rc = hand_open(&h, w, err);
    while (!rc && !pool_is_stopped(pool) && !is_stopped(w->t->stop)) {
        const size_t i = atomic_fetch_add(&w->next, 1);
        if (i >= w->n) {
            break;
        }
        for (size_t m = 0; m < n_models && !rc; m++) {
            if (w->t->engines[m]) {
                rc = test_one(w, &h, w->items[i].item, m, &w->tests[i * n_models + m], err);
            }
        }
        atomic_fetch_add(&w->n_done, 1);
    }
    hand_close(&h, n_models);
    return rc;
}

static void show_progress(struct progress *p, const struct work *w)
{
    const bool asked = w->t->status && atomic_exchange(w->t->status, 0) != 0;
    if (asked || progress_is_due(p)) {
        const size_t n = atomic_load(&w->n_done);
        const struct progress_now now = {.items = n, .items_now = n, .more = " tested"};
        progress_show(p, &now, asked);
    }
}

/* The calling thread shows how far the others are. */
static int run_threads(struct work *w, struct err *err)
{
    const struct progress_whole whole = {.command = w->t->command, .items = "trigrams", .n = w->n};
    struct progress progress;
    struct pool *pool = NULL;
    int rc = pool_new(&pool, err);
    if (rc) {
        return rc;
    }
    progress_begin(&progress, &whole);
    rc = pool_add(pool, w->t->n_threads < w->n ? w->t->n_threads : w->n, work_main, w, err);
    if (rc) {
        pool_stop(pool);
    }
    while (pool_wait(pool, 0.1)) {
        show_progress(&progress, w);
    }
    progress_end(&progress);
    const int failed = pool_join(pool, rc ? NULL : err);
    return rc ? rc : failed;
}

// --- all ----------------------------------------------------------------------------------------

/* What is written in the end. */
struct trial_tables {
    const struct trigram_test *tests; // [n]
    size_t n, n_tested;
};

/* store_writer */
static int write_tables(void *context, const struct sql *sql, struct err *err)
{
    const struct trial_tables *t = context;
    char text[32];
    struct rows w;
    const int rc = trial_rows_write(sql, t->tests, t->n, err);
    if (rc) {
        return rc;
    }
    snprintf(text, sizeof text, "%zu", t->n_tested);
    rows_open(&w, sql, "INSERT OR REPLACE INTO meta VALUES('trigrams_tested',?)", err);
    rows_text(&w, text);
    rows_next(&w);
    return rows_close(&w);
}

/* Where each model's neurons are among the run's. */
static void find_layers(struct work *w)
{
    const struct neurons_shape *neurons = neurons_shape_in(w->t->results);
    for (size_t m = 0; m < w->t->run->n_models; m++) {
        w->first_layers[m] = neurons_first_layer(neurons, m);
    }
}

/* Where each model's neurons are read. */
static int find_sites(struct work *w, struct err *err)
{
    const struct run *run = w->t->run;
    int rc = 0;
    for (size_t m = 0; m < run->n_models && !rc; m++) {
        const char *site = run->models[m].site;
        const struct model *weights = w->t->engines[m] ? engine_model(w->t->engines[m]) : NULL;
        if (weights && !weights->config.attn_only) {
            enum site wish;
            rc = site_parse(*site ? site : NULL, &wish, err);
            rc = rc ? rc : model_site(weights, wish, &w->sites[m], err);
        }
    }
    return rc;
}

static bool any_engine(const struct trials *t)
{
    for (size_t m = 0; m < t->run->n_models; m++) {
        if (t->engines[m]) {
            return true;
        }
    }
    return false;
}

/* Moves the tests that were made to the front: how many. */
static size_t gather(struct trigram_test *tests, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (tests[i].verdict) {
            tests[k++] = tests[i];
        }
    }
    return k;
}

int trials_run(const struct trials *t, struct store *s, size_t *n_tested, struct err *err)
{
    const size_t n_models = t->run->n_models;
    struct trial_item *items = NULL;
    struct work w = {.t = t};
    int rc = choose(&items, &w.n, t, err);
    w.n = any_engine(t) ? w.n : 0;
    w.items = items;
    w.first_layers = mem_new(n_models, sizeof *w.first_layers);
    w.sites = mem_zero(n_models, sizeof *w.sites);
    w.tests = mem_zero(w.n * n_models, sizeof *w.tests);
    if (!rc && (!w.first_layers || !w.sites || !w.tests)) {
        rc = err_nomem(err, "trials");
    }
    if (!rc) {
        find_layers(&w);
        rc = find_sites(&w, err);
    }
    rc = rc ? rc : run_threads(&w, err);
    const size_t n_tests = w.tests ? gather(w.tests, w.n * n_models) : 0;
    if (!rc && !is_stopped(t->stop)) {
        *n_tested = w.n;
        struct trial_tables tables = {.tests = w.tests, .n = n_tests, .n_tested = w.n};
        rc = store_write(s, write_tables, &tables, err);
    }
    for (size_t i = 0; i < n_tests; i++) {
        free(w.tests[i].neurons);
    }
    free(w.tests);
    free(w.sites);
    free(w.first_layers);
    free(items);
    return rc;
}

// --- models that are to be loaded ---------------------------------------------------------------

static int load(struct model **model, struct engine **engine, const struct run_model *m,
                struct err *err)
{
    if (describe_is_counts(m) || run_model_is_changed(m)) {
        return 0;
    }
    int rc = model_load(model, m->name, m->path, err);
    if (!rc && model_hash(*model) != m->weights_hash) {
        rc = err_set(err, ERR_MISMATCH, "%s: %s has other weights than those that were scanned",
                     m->name, m->path);
    }
    return rc ? rc : engine_new(engine, *model, kern_best(), PRECISION_EXACT, err);
}

int trials_reload(trials_fn *fn, const struct run *run, const struct results *results,
                  size_t n_threads, const char *command, struct store *s, size_t *n, bool *loaded,
                  struct err *err)
{
    struct model **models = mem_zero(run->n_models, sizeof *models);
    struct engine **engines = mem_zero(run->n_models, sizeof *engines);
    int rc = models && engines ? 0 : err_nomem(err, "models");
    for (size_t m = 0; m < run->n_models && !rc; m++) {
        rc = load(&models[m], &engines[m], &run->models[m], err);
    }
    *loaded = rc == 0;
    const struct trials t = {.run = run,
                             .results = results,
                             .engines = (const struct engine *const *)engines,
                             .n_threads = n_threads,
                             .command = command};
    rc = rc ? rc : fn(&t, s, n, err);
    for (size_t m = 0; m < run->n_models; m++) {
        if (engines) {
            engine_free(engines[m]);
        }
        if (models) {
            model_free(models[m]);
        }
    }
    free(engines);
    free(models);
    return rc;
}
