#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/mem.h"
#include "corpora/shards.h"
#include "out/results/record/record.h"
#include "out/results/run.h"
#include "out/store/meta.h"
#include "out/store/store.h"
#include "scan/cli/args.h"
#include "scan/cli/progress.h"
#include "scan/cli/stop_signals.h"
#include "scan/count/count.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"
#include "scan/plan/neuron_plan.h"
#include "scan/plan/plan.h"
#include "scan/work/first_unit.h"
#include "scan/work/pipeline.h"
#include "scan/work/precision_check.h"
#include "scan/work/prepare.h"
#include "scan/work/summary.h"
#include "scan/work/trials.h"
#include "scan/work/worker.h"

// run_load() takes no more.
#define TOP_MAX ((size_t)1 << 24)

/* Everything of a scan that must be ended. */
struct scan {
    struct lineup lineup;
    struct predictor *predictors; // [lineup.n]
    struct shards shards;
    struct run run;
    struct tally_shape shape;
    struct neuron_plan subjects;
    struct trigram_choice chosen;
    struct results results;
    struct store *store;
    struct record *record; // NULL: none
    bool resumed;
    const struct kern *kern;
    enum precision asked;
    struct precision_check checks[TALLY_MODELS_MAX]; // [lineup.n]
    char *kernels;                                   // of all that has been scanned, for meta
    char *check_keys[TALLY_MODELS_MAX], *check_texts[TALLY_MODELS_MAX]; // [lineup.n] for meta
};

// --- options ------------------------------------------------------------------------------------

static int check_words(const struct scan_options *o, struct err *err)
{
    if (!o->output) {
        return err_set(err, ERR_USAGE, "-o run.db is missing");
    }
    if (o->packing && strcmp(o->packing, "docs") != 0 && strcmp(o->packing, "rows") != 0) {
        return err_set(err, ERR_USAGE, "--packing %s: docs or rows is wanted", o->packing);
    }
    if (o->input.ids && scan_packing(o) == PACKING_ROWS) {
        return err_set(err, ERR_USAGE, "--packing rows does not go with --ids: a list is a window");
    }
    if (o->part && o->max_tokens) {
        return err_set(err, ERR_USAGE, "--max-tokens does not go with --part");
    }
    if (o->top > TOP_MAX) {
        return err_set(err, ERR_USAGE, "--top %zu: at most %zu", o->top, TOP_MAX);
    }
    if (o->threads > 1024) {
        return err_set(err, ERR_USAGE, "--threads %zu: at most 1024", o->threads);
    }
    return 0;
}

// --- the run ------------------------------------------------------------------------------------

/* Takes over what the file holds of this run; another's is refused, or forgotten with --force. */
static int resume(struct scan *s, const struct scan_options *o, struct err *err)
{
    if (o->force) {
        return store_clear(s->store, err);
    }
    struct run old = {0};
    struct tally_shape shape;
    struct results results = {0};
    int rc = store_load(s->store, &old, &shape, &results, err);
    if (rc) {
        return rc;
    }
    struct err why = {0};
    if (run_same(&old, &s->run, &why)) {
        rc = err_set(err, ERR_MISMATCH,
                     "%s holds another run (%s); name another file, or --force to start anew",
                     o->output, why.msg);
        results_free(&results);
        run_free(&old);
        return rc;
    }
    run_free(&s->run);
    s->run = old;
    s->results = results;
    s->resumed = true;
    return 0;
}

static int open_run(struct scan *s, const struct scan_options *o, struct err *err)
{
    bool exists = false;
    int rc = store_open(&s->store, o->output, &exists, err);
    if (!rc && exists) {
        rc = resume(s, o, err);
    }
    if (rc) {
        return rc;
    }
    s->shape = run_shape(&s->run);
    if (s->resumed) {
        s->results.tally->shape = &s->shape;
    }
    return 0;
}

/* Is every unit of this part done? */
static bool nothing_left(const struct run *run, size_t part, size_t n_parts)
{
    if (!run->counted) {
        return false;
    }
    for (uint64_t i = part; i < run->n_units; i += n_parts) {
        if (!run_is_done(run, i)) {
            return false;
        }
    }
    return true;
}

/* Were the tables written before the last unit was in?  So it is where a run was killed between its
 * last checkpoint of the state alone and the full one that ends it. */
static bool tables_lag(const struct scan *s)
{
    char *in_tables = NULL;
    const bool lag = meta_get(&in_tables, s->store, "units_in_tables", NULL) || !in_tables ||
                     strtoull(in_tables, NULL, 10) < run_count_done(&s->run);
    free(in_tables);
    return lag;
}

// --- engines ------------------------------------------------------------------------------------

static void print_check(const char *name, const struct precision_check *c)
{
    if (c->used != c->asked) {
        fprintf(stderr, "  %s: %s precision misses its promise here; %s it is\n", name,
                precision_name(c->asked), precision_name(c->used));
    }
    if (c->used != PRECISION_EXACT && c->tokens > 0) {
        fprintf(stderr,
                "  %-24s %s: off f32 by %.1e nats on average, %.1e at most (%" PRIu64 " tokens)\n",
                name, precision_name(c->used), c->mean, c->most, c->tokens);
    }
}

/* Checks every model on the first unit. */
static int choose_engines(struct scan *s, const struct pipeline_options *p, struct err *err)
{
    struct layout layout = {0};
    int rc = s->asked == PRECISION_EXACT
                 ? 0
                 : first_unit_layout(&layout, p, err); // exact needs no check
    if (!rc && layout.n > 0) {
        fprintf(stderr, "gapscope scan: the first unit in f32 and in %s precision:\n",
                precision_name(s->asked));
    }
    for (size_t i = 0; i < s->lineup.n && !rc && !atomic_load(&stop_signals()->stop); i++) {
        const struct model *m = s->lineup.models[i].weights;
        if (!m) {
            continue; // counts are exact
        }
        rc = precision_check_choose(&s->predictors[i].engine, &s->checks[i], m, s->kern, s->asked,
                              &layout, p->n_threads, &stop_signals()->stop, err);
        if (!rc) {
            print_check(m->name, &s->checks[i]);
            s->check_texts[i] = precision_check_to_json(&s->checks[i]);
            rc = s->check_texts[i] ? 0 : err_nomem(err, "meta");
        }
    }
    layout_free(&layout);
    return rc;
}

/* What the run began with. */
static int remembered_engines(struct scan *s, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < s->lineup.n && !rc; i++) {
        const struct model *m = s->lineup.models[i].weights;
        if (!m) {
            continue;
        }
        rc = meta_get(&s->check_texts[i], s->store, s->check_keys[i], err);
        s->checks[i].asked = s->asked;
        s->checks[i].used = precision_check_from_json(s->check_texts[i], s->asked);
        rc = rc ? rc : engine_new(&s->predictors[i].engine, m, s->kern, s->checks[i].used, err);
    }
    return rc;
}

/* Of the kernels of earlier runs, and this one's. */
static int join_kernels(struct scan *s, struct err *err)
{
    int rc = s->resumed ? meta_get(&s->kernels, s->store, "kernels", err) : 0;
    if (!rc && s->kernels && strcmp(s->kernels, s->kern->name) != 0) {
        fprintf(stderr, "gapscope scan: what was done so far was done with %s kernels, now %s\n",
                s->kernels, s->kern->name);
    }
    return rc ? rc : meta_join(&s->kernels, s->kern->name, err);
}

/* Says whose own counts are left out. */
static void print_left_out(const struct predictor *p, size_t n_shards)
{
    size_t n = 0;
    for (size_t i = 0; i < n_shards && p->leave_out; i++) {
        n += p->leave_out[i];
    }
    if (n > 0) {
        fprintf(stderr,
                "  %-24s counted on %s of this corpus: a document's own counts are left out\n",
                p->model->name, n == n_shards ? "all" : "some");
    }
}

static int make_predictors(struct scan *s, const struct pipeline_options *p, uint64_t settings,
                           struct err *err)
{
    s->predictors = mem_zero(s->lineup.n, sizeof *s->predictors);
    int rc = s->predictors ? join_kernels(s, err) : err_nomem(err, "models");
    for (size_t i = 0; i < s->lineup.n && !rc; i++) {
        s->predictors[i].model = &s->lineup.models[i];
        rc = predictor_leave_out(&s->predictors[i], p->shards, settings, err);
        print_left_out(&s->predictors[i], p->shards->n);
    }
    for (size_t i = 0; i < s->lineup.n && !rc; i++) {
        if (asprintf(&s->check_keys[i], "precision.%s", s->lineup.models[i].name) < 0) {
            s->check_keys[i] = NULL;
            rc = err_nomem(err, "meta");
        }
    }
    rc = rc ? rc : s->resumed ? remembered_engines(s, err) : choose_engines(s, p, err);
    s->shape.epsilon = 0;
    for (size_t i = 0; i < s->lineup.n && !rc; i++) {
        s->shape.epsilon = fmax(s->shape.epsilon, precision_epsilon(s->checks[i].used));
    }
    return rc;
}

static void free_predictors(struct scan *s)
{
    for (size_t i = 0; i < s->lineup.n && s->predictors; i++) {
        predictor_free(&s->predictors[i]);
        free(s->check_keys[i]);
        free(s->check_texts[i]);
    }
    free(s->predictors);
    free(s->kernels);
}

// --- the command --------------------------------------------------------------------------------

static void set_work(const struct scan *s, struct work *work)
{
    work->predictors = s->predictors;
    work->hypotheses = s->subjects.hypotheses.n > 0 ? &s->subjects.hypotheses : NULL;
    work->neurons = s->run.neurons;
    work->sites = s->subjects.sites;
    work->first_layers = s->subjects.first_layers;
}

static void print_plan(const struct scan *s, const struct pipeline_options *p, uint64_t bytes,
                       const char *output)
{
    char *subjects = neuron_plan_text(&s->run, p->n_threads);
    printf("%zu shard%s, %.1f MB; %zu model%s, %zu pair%s; %zu thread%s; to %s\n", s->shards.n,
           s->shards.n == 1 ? "" : "s", (double)bytes * 1e-6, s->lineup.n,
           s->lineup.n == 1 ? "" : "s", s->run.n_pairs, s->run.n_pairs == 1 ? "" : "s",
           p->n_threads, p->n_threads == 1 ? "" : "s", output);
    if (subjects && *subjects) {
        printf("%s\n", subjects);
    }
    free(subjects);
}

static int dry_run(struct scan *s, const struct pipeline_options *p, struct work *work,
                   const struct scan_options *o, struct err *err)
{
    struct first_unit first = {0};
    struct neurons *neurons = NULL;
    const uint64_t bytes = shards_bytes(&s->shards);
    int rc = make_predictors(s, p, work->settings, err);
    set_work(s, work);
    rc = rc || !work->neurons ? rc : neurons_new(&neurons, work->neurons, err);
    rc = rc ? rc : first_unit_run(&first, p, work, neurons, err);
    neurons_free(neurons);
    if (rc) {
        return rc;
    }
    print_plan(s, p, bytes, o->output);
    if (first.none) {
        printf("the corpus holds no document\n");
        return 0;
    }
    // as if all units were like the first
    double units = fmax(1, (double)bytes / (double)(first.raw ? first.raw : 1));
    if (p->max_tokens && first.tokens) {
        units = fmin(units, ceil((double)p->max_tokens / (double)first.tokens));
    }
    char all[32];
    progress_time(all, first.seconds * fmax(1, units / (double)(p->n_parts * p->n_threads)));
    printf("first unit: %" PRIu64 " documents, %" PRIu64
           " tokens, %.1f s on one thread; all in about %s\n",
           first.docs, first.tokens, first.seconds, all);
    return 0;
}

/* Which neurons have histograms, where not all do: from the first unit, so all parts agree. */
static int choose_histograms(struct scan *s, const struct pipeline_options *p, struct work *work,
                             struct err *err)
{
    if (!s->run.neurons || s->run.histograms == 0 || s->run.neurons->subsets) {
        return 0;
    }
    struct neurons_shape shape = *s->run.neurons;
    struct neurons_subset *none = mem_zero(shape.n_layers * shape.n_hypotheses, sizeof *none);
    struct neurons *neurons = NULL;
    struct first_unit first;
    int rc = none ? 0 : err_nomem(err, "neurons");
    shape.subsets = none;
    work->neurons = &shape;
    rc = rc ? rc : neurons_new(&neurons, &shape, err);
    rc = rc ? rc : first_unit_run(&first, p, work, neurons, err);
    if (!rc && !atomic_load(&stop_signals()->stop)) {
        rc = prepare_subsets(&s->run, neurons, err);
        neurons = NULL;
    }
    neurons_free(neurons);
    free(none);
    work->neurons = s->run.neurons;
    return rc;
}

/* What takes a while before the first unit can be scanned. */
static int prepare(struct scan *s, const struct pipeline_options *p, struct work *work,
                   struct err *err)
{
    int rc = make_predictors(s, p, work->settings, err);
    trigram_choice_print(&s->chosen);
    set_work(s, work);
    rc = rc ? rc : choose_histograms(s, p, work, err);
    rc = rc ? rc : prepare_effects(&s->run, s->predictors, &stop_signals()->stop, err);
    return rc ? rc : results_new(&s->results, &s->shape, &s->run, err);
}

/* Pairs of key and value, and their end. */
#define META_MAX (2 * (9 + TALLY_MODELS_MAX) + 1)

static void add_checks(const char **meta, const struct scan *s)
{
    size_t n = 0;
    while (meta[n]) {
        n += 2;
    }
    meta[n++] = "kernels";
    meta[n++] = s->kernels;
    for (size_t i = 0; i < s->lineup.n; i++) {
        if (s->check_texts[i]) {
            meta[n++] = s->check_keys[i];
            meta[n++] = s->check_texts[i];
        }
    }
    if (s->chosen.meta) {
        meta[n++] = "trigrams";
        meta[n++] = s->chosen.meta;
    }
    meta[n] = NULL;
}

/* Have they been tried? */
static bool trigrams_tried(const struct scan *s)
{
    char *tested = NULL;
    meta_get(&tested, s->store, "trigrams_tested", NULL);
    const bool is = tested != NULL;
    free(tested);
    return is;
}

/* Tries the trigrams of a finished run on its models. */
static int try_trigrams(struct scan *s, const struct scan_options *o, size_t n_threads, int *status,
                        struct err *err)
{
    const struct engine *engines[TALLY_MODELS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < s->lineup.n; i++) {
        engines[i] = s->predictors[i].engine;
    }
    const struct trials trying = {.run = &s->run,
                                  .results = &s->results,
                                  .engines = engines,
                                  .n_threads = n_threads,
                                  .stop = &stop_signals()->stop,
                                  .command = "scan",
                                  .status = &stop_signals()->status};
    const double begin = progress_clock();
    const int rc = trials_run(&trying, s->store, &n, err);
    if (!rc && atomic_load(&stop_signals()->stop) && !trigrams_tried(s)) {
        fprintf(stderr, "stopped before the trigrams were tried: run the same command again\n");
        *status = 128 + atomic_load(&stop_signals()->stop);
    } else if (!rc) {
        fprintf(stderr,
                "  trigrams: tried %zu%s on the models, in %.1f s\n"
                "look: gapscope trigrams %s\n",
                n, s->run.n_pairs > 0 ? " that beat the base" : "", progress_clock() - begin,
                o->output);
    }
    return rc;
}

/* What a run has to do when all its units are in. */
static int finish(struct scan *s, const struct scan_options *o, const struct pipeline_options *p,
                  const struct work *work, int *status, struct err *err)
{
    int rc =
        tables_lag(s) ? store_checkpoint(s->store, &s->run, &s->results, true, p->meta, err) : 0;
    if (rc || !trials_wanted(&s->run) || trigrams_tried(s)) {
        return rc;
    }
    rc = s->predictors ? 0 : make_predictors(s, p, work->settings, err);
    return rc ? rc : try_trigrams(s, o, p->n_threads, status, err);
}

/* meta[META_MAX]: p->meta */
static int scan(struct scan *s, const struct scan_options *o, const struct pipeline_options *p,
                struct work *work, const char **meta, int *status, struct err *err)
{
    if (s->resumed && nothing_left(&s->run, p->part, p->n_parts)) {
        fprintf(stderr,
                "gapscope scan: %s: nothing is left to do: all %" PRIu64 " units of %s are in\n",
                o->output,
                p->n_parts > 1 ? (s->run.n_units + p->n_parts - 1 - p->part) / p->n_parts
                               : s->run.n_units,
                p->n_parts > 1 ? "this part" : "the corpus");
        return finish(s, o, p, work, status, err);
    }
    if (s->resumed) {
        fprintf(stderr,
                "gapscope scan: %s: going on from %" PRIu64 " units done, %" PRIu64 " tokens\n",
                o->output, run_count_done(&s->run), summary_tokens(s->results.tally));
    }
    struct pipeline_result result = {0};
    int rc = prepare(s, p, work, err);
    if (!rc && atomic_load(&stop_signals()->stop)) {
        fprintf(stderr, "stopped: run the same command again\n");
        *status = 128 + atomic_load(&stop_signals()->stop);
    }
    if (rc || atomic_load(&stop_signals()->stop)) {
        return rc;
    }
    add_checks(meta, s);
    rc = pipeline_run(p, &s->run, &s->results, s->store, &result, err);
    const int stopped = atomic_load(&stop_signals()->stop);
    if (rc) {
        return err_set(err, err->code,
                       "%s; what was done is in %s: the same command goes on from there", err->msg,
                       o->output);
    }
    summary_print(&s->run, s->results.tally, &s->lineup, o->output, &result);
    if (stopped) {
        fprintf(stderr, "stopped: run the same command again, and it goes on from here\n");
        *status = 128 + stopped;
        return 0;
    }
    for (size_t i = 0; i < s->run.n_shards && o->input.strict; i++) {
        *status = *status || s->results.tally->shards[i].skipped > 0;
    }
    return finish(s, o, p, work, status, err);
}

static int check_eos(const struct scan_options *o, const struct lineup *l, struct err *err)
{
    if (scan_packing(o) == PACKING_ROWS && tokenizer_eos(l->tokenizer) >= l->d_vocab) {
        return err_set(err, ERR_NOT_FOUND,
                       "--packing rows: the tokenizer has no EOS to put between documents "
                       "(tokenizer_config.json names it)");
    }
    return 0;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    struct scan_options *o = options;
    struct scan s = {0};
    struct buf command = {0};
    char started[32], threads[24];
    struct pipeline_options p = {.signals = stop_signals(), .max_tokens = o->max_tokens};
    p.checkpoint_seconds = 60;
    p.n_threads = o->threads;
    if (p.n_threads == 0) {
        const long cores = sysconf(_SC_NPROCESSORS_ONLN);
        p.n_threads = cores > 0 ? (size_t)cores : 1;
    }
    int rc = check_words(o, err);
    rc = rc ? rc : precision_parse(&s.asked, o->precision, PRECISION_DEFAULT, err);
    rc = rc ? rc : precision_kernels(&s.kern, o->kernels, err);
    rc = rc ? rc : args_part(o->part, &p.part, &p.n_parts, err);
    rc = rc ? rc : args_real("checkpoint", o->checkpoint, 0, 1e6, &p.checkpoint_seconds, err);
    rc = rc ? rc : input_format(&o->input, &p.units.source.format, err);
    rc = rc ? rc : lineup_load(&s.lineup, &o->models, o->tokenizer, !o->input.ids, err);
    rc = rc ? rc : check_eos(o, &s.lineup, err);
    rc = rc ? rc : shards_open(&s.shards, operands->items, operands->n, err);
    rc = rc ? rc : plan_make(&s.run, &s.subjects, &s.chosen, o, &s.lineup, &s.shards, s.asked, err);
    rc = rc ? rc : neuron_plan_check_memory(&s.run, p.n_threads, err);
    if (rc) {
        goto out;
    }
    struct work work = {
        .lineup = &s.lineup,
        .shape = &s.shape,
        .settings = count_settings(&o->input),
        .layout = {.tokenizer = s.lineup.tokenizer,
                   .packing = scan_packing(o),
                   .special = o->input.special ? SPECIAL_SPLIT : SPECIAL_PLAIN,
                   .n_ctx = s.lineup.n_ctx},
        .stop = &stop_signals()->stop,
    };
    p.work = &work;
    p.shards = &s.shards;
    p.units.source.field = o->input.field;
    p.units.source.domain = o->domain;
    p.units.ids = o->input.ids;
    p.units.n_ctx = s.lineup.n_ctx;
    p.units.d_vocab = s.lineup.d_vocab;
    stop_signals_catch("a second signal ends at once, back to the last checkpoint");
    if (o->dry_run) {
        s.shape = run_shape(&s.run);
        rc = dry_run(&s, &p, &work, o, err);
        goto out;
    }
    const time_t now = time(NULL);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    snprintf(threads, sizeof threads, "%zu", p.n_threads);
    rc = args_command(&command, o->argc, o->argv, err);
    const char *meta[META_MAX] = {"version", GAPSCOPE_VERSION, "command", command.data,
                                  "started", started,          "threads", threads};
    p.meta = meta;
    rc = rc ? rc : open_run(&s, o, err);
    if (!rc && o->record) {
        rc = record_open(&s.record, o->record, &s.run, p.part, p.n_parts, o->force, err);
        work.record = s.record;
        // What run.db has and the record has not is said now, also where nothing is left to do.
        rc = rc ? rc : record_advance(s.record, &s.run, err);
    }
    rc = rc ? rc : scan(&s, o, &p, &work, meta, status, err);
out:
    buf_free(&command);
    record_close(s.record);
    store_close(s.store);
    results_free(&s.results);
    run_free(&s.run);
    shards_free(&s.shards);
    free_predictors(&s);
    neuron_plan_free(&s.subjects);
    trigram_choice_free(&s.chosen);
    lineup_free(&s.lineup);
    return rc;
}

int cmd_scan(int argc, char **argv)
{
    struct scan_options o = {.top = 1000, .subjects.examples = 20, .argc = argc, .argv = argv};
    const struct arg args[] = {
        {"model", 'm', ARG_LIST, &o.models, "[NAME=]M",
         "a folder, an alias (gelu-1l), a repository, or counts,\nFILE.ngrams:2, :3, :skip, "
         ":oracle; give several to\ncompare them"},
        {"pair", 0, ARG_LIST, &o.pairs, "A:B[+C]",
         "the gap of B (the least of B's and C's) over A; else the\nfirst model is the base of "
         "every other"},
        {"output", 'o', ARG_STRING, &o.output, "run.db",
         "results; an unfinished one of this run is gone on with"},
        {"threads", 0, ARG_SIZE, &o.threads, "N", "workers; else one a core"},
        {"tokenizer", 0, ARG_STRING, &o.tokenizer, "FILE", "tokenizer.json, where M has none"},
        IDS_ARG(&o.input),
        INPUT_ARGS(&o.input),
        SPECIAL_ARG(&o.input),
        {"domain", 0, ARG_STRING, &o.domain, "a.b",
         "the field of a record that names its domain; else\nmeta.pile_set_name, meta.set or "
         "source"},
        {"floor", 0, ARG_STRING, &o.floor, "X", "log-probs below it count as it; -6 if not given"},
        {"top", 0, ARG_SIZE, &o.top, "N", "hits kept a pair and side; 1000 if not given"},
        NEURON_PLAN_ARGS(&o.subjects),
        TRIGRAM_CHOICE_ARGS(&o.trigrams),
        {"packing", 0, ARG_STRING, &o.packing, "P",
         "docs: a window holds one document's tokens (if not given);\nrows: documents joined with "
         "EOS fill every window"},
        {"precision", 0, ARG_STRING, &o.precision, "P",
         "exact: f32 throughout; default (if not given): within 0.001\nnats; fast: 0.002 on "
         "average. "
         "Hits are exact in all"},
        {"kernels", 0, ARG_STRING, &o.kernels, "NAME",
         "a table that gapscope model lists; the best if not given"},
        {"max-tokens", 0, ARG_SIZE, &o.max_tokens, "N", "stop after the unit that reaches N"},
        {"part", 0, ARG_STRING, &o.part, "I/N",
         "do units I, I + N, ...; gapscope merge joins parts"},
        {"checkpoint", 0, ARG_STRING, &o.checkpoint, "SECONDS",
         "between two; 60 if not given, 0: after every unit"},
        {"record", 0, ARG_STRING, &o.record, "DIR.zarr",
         "also keep every token's log-probs, as Zarr v2 arrays"},
        {"force", 0, ARG_FLAG, &o.force, NULL, "start anew in a run.db of another run"},
        {"dry-run", 0, ARG_FLAG, &o.dry_run, NULL,
         "say what would be done and how long it would take"},
        {0}};
    const struct command command = {
        .name = "scan",
        .usage = "--model M [--model M]... [options] -o run.db CORPUS...",
        .summary =
            "Streams a corpus (.jsonl.zst, .json.gz, text, ...) through all models and keeps "
            "where\n"
            "one predicts better than another: run.db is a SQLite file.  It can be stopped or\n"
            "killed at any moment; the same command goes on from the last checkpoint.",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
