#include "scan/work/scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "out/results/gaps/gaps_collector.h"
#include "out/results/record/record.h"
#include "out/results/record/record_collector.h"
#include "out/store/meta.h"
#include "scan/cli/progress.h"
#include "scan/cli/stop_signals.h"
#include "scan/load/nothing_read.h"
#include "scan/load/windows.h"
#include "scan/plan/memory.h"
#include "scan/work/choose_skips.h"
#include "scan/work/choose_tokens.h"
#include "scan/work/first_unit.h"
#include "scan/work/make_means.h"
#include "scan/work/prepare.h"
#include "scan/work/restarts.h"
#include "scan/work/scan_internal.h"
#include "scan/work/summary.h"

// run_load() takes no more.
#define TOP_MAX ((size_t)1 << 24)

/* The exit status where a signal, or the time, has stopped the scan; else 0. */
static int stopped_by(void)
{
    return stop_signals_status();
}

// --- opening ------------------------------------------------------------------------------------

static int check_words(const struct scan_options *o, struct err *err)
{
    if (!o->output) {
        return err_set(err, ERR_USAGE, "-o run.db is missing");
    }
    if (o->packing && strcmp(o->packing, "docs") != 0 && strcmp(o->packing, "rows") != 0) {
        return err_set(err, ERR_USAGE, "--packing %s: expected docs or rows", o->packing);
    }
    if (o->input.ids && scan_packing(o) == PACKING_ROWS) {
        return err_set(err, ERR_USAGE, "--packing rows does not go with --ids: a list is a window");
    }
    if (input_check_special(&o->input, err)) {
        return ERR_USAGE;
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

static int check_eos(const struct scan_options *o, const struct lineup *l, struct err *err)
{
    if (scan_packing(o) == PACKING_ROWS && tokenizer_eos(l->tokenizer) >= l->d_vocab) {
        return err_set(err, ERR_NOT_FOUND,
                       "--packing rows: the tokenizer has no EOS to put between documents "
                       "(tokenizer_config.json names it)");
    }
    const char *unknown = l->tokenizer ? tokenizer_unknown_eos(l->tokenizer) : NULL;
    if (scan_packing(o) == PACKING_ROWS && unknown) {
        size_t len;
        const char *eos = tokenizer_bytes(l->tokenizer, tokenizer_eos(l->tokenizer), &len);
        fprintf(stderr,
                "gapscope scan: eos_token \"%s\", named beside the tokenizer, is no token of it: "
                "EOS is %.*s\n",
                unknown, (int)len, eos);
    }
    return 0;
}

/* Sets what the options say of the pipeline. */
static int set_pipeline(struct scan *s, struct err *err)
{
    const struct scan_options *o = s->options;
    struct pipeline_options *p = &s->pipeline;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    p->signals = stop_signals();
    p->max_tokens = o->max_tokens;
    p->checkpoint_seconds = 60;
    p->n_threads = o->threads > 0 ? o->threads : cores > 0 ? (size_t)cores : 1;
    p->units.source.field = o->input.field;
    p->units.source.domain = o->domain;
    p->units.ids = o->input.ids;
    int rc = task_part("scan", o->part, &p->part, &p->n_parts, err);
    rc = rc ? rc : task_stop_after(o->task.stop_after, &s->stop_after, err);
    rc = rc ? rc : args_real("checkpoint", o->checkpoint, 0, 1e6, &p->checkpoint_seconds, err);
    return rc ? rc : input_format(&o->input, &p->units.source.format, err);
}

static void set_work(struct scan *s)
{
    const struct scan_options *o = s->options;
    s->work = (struct work){
        .lineup = &s->lineup,
        .run = &s->run,
        .results = &s->results,
        .layout = {.tokenizer = s->lineup.tokenizer,
                   .packing = scan_packing(o),
                   .special = o->input.special ? SPECIAL_SPLIT : SPECIAL_PLAIN,
                   .skip_special = input_skips_special(&o->input),
                   .n_ctx = s->lineup.n_ctx},
        .settings = input_settings(&o->input),
        .hypotheses = s->neurons.hypotheses.n > 0 ? &s->neurons.hypotheses : NULL,
        .refused = o->allow_not_finite ? UINT64_MAX : s->pipeline.part,
        .stop = &stop_signals()->stop,
    };
    s->pipeline.work = &s->work;
    s->pipeline.shards = &s->shards;
    s->pipeline.status = &s->status;
}

/* Looks at the beginning of every shard before the work begins. */
static int check_corpus(struct scan *s, struct err *err)
{
    const char *ids_key;
    s->pipeline.units.n_ctx = s->lineup.n_ctx;
    s->pipeline.units.d_vocab = s->lineup.d_vocab;
    const int rc = units_check(&s->shards, &s->pipeline.units, &ids_key, err);
    input_say_ids_key(ids_key);
    return rc;
}

/* A text for means, and somebody who needs it. */
static int check_reference(const struct scan *s, struct err *err)
{
    const char *path = s->options->ablate.reference;
    bool means = !path;
    for (size_t i = 0; i < s->lineup.n; i++) {
        means = means || s->lineup.models[i].changes.has[CHANGE_MEAN];
    }
    return means ? 0
                 : err_set(err, ERR_USAGE,
                           "--reference %s: no model replaces by means (M@mean.L0H0, --ablation "
                           "mean)",
                           path);
}

int scan_open(struct scan *s, const struct scan_options *o, const struct arg_list *operands,
              struct err *err)
{
    s->options = o;
    int rc = check_words(o, err);
    rc = rc ? rc : precision_parse(&s->asked, o->precision, PRECISION_DEFAULT, err);
    rc = rc ? rc : precision_kernels(&s->kern, o->kernels, err);
    rc = rc ? rc : set_pipeline(s, err);
    rc = rc ? rc : lineup_load(&s->lineup, &o->models, o->tokenizer, !o->input.ids, err);
    rc = rc ? rc : check_eos(o, &s->lineup, err);
    rc = rc ? rc : shards_open(&s->shards, operands->items, operands->n, err);
    rc = rc ? rc : check_corpus(s, err);
    rc = rc ? rc : ablate_expand(&s->ablate, &s->lineup, &o->ablate, shards_bytes(&s->shards), err);
    rc = rc ? rc : check_reference(s, err);
    rc = rc ? rc
            : plan_make(&s->run, &s->results, &s->neurons, &s->trigrams, &s->skips, o, &s->lineup,
                        &s->ablate, &s->shards, s->asked, err);
    rc = rc ? rc : memory_check(&s->run, &s->results, s->pipeline.n_threads, err);
    if (rc) {
        return rc;
    }
    set_work(s);
    stop_signals_catch("a second signal ends at once, back to the last checkpoint");
    task_stop(&o->task, s->stop_after);
    return 0;
}

void scan_close(struct scan *s)
{
    results_free(&s->results);
    store_close(s->store);
    part_file_free(&s->file);
    status_close(&s->status);
    run_free(&s->run);
    shards_free(&s->shards);
    engines_free(&s->engines);
    neuron_plan_free(&s->neurons);
    trigram_choice_free(&s->trigrams);
    ablate_free(&s->ablate);
    lineup_free(&s->lineup);
    buf_free(&s->command);
    free(s->meta);
}

int scan_make_engines(struct scan *s, struct err *err)
{
    int rc = engines_make(&s->engines, &s->lineup, s->kern, s->asked, &s->pipeline,
                          s->resumed ? s->store : NULL, &stop_signals()->stop, err);
    rc = rc ? rc
            : make_means(&s->engines, &s->lineup, &s->results, s->options->ablate.reference,
                         &s->options->input, &s->pipeline, &stop_signals()->stop, err);
    s->work.predictors = s->engines.predictors;
    s->work.epsilon = s->engines.epsilon;
    return rc;
}

// --- meta ---------------------------------------------------------------------------------------

/* Appends a pair; both strings live as long as the scan. */
static int add_meta(struct scan *s, const char *key, const char *value, struct err *err)
{
    const int rc = mem_reserve(&s->meta, &s->meta_cap, s->n_meta + 3, sizeof *s->meta, "meta", err);
    if (!rc) {
        s->meta[s->n_meta++] = key;
        s->meta[s->n_meta++] = value;
        s->meta[s->n_meta] = NULL;
        s->pipeline.meta = s->meta;
    }
    return rc;
}

/* What is known when the command begins. */
static int begin_meta(struct scan *s, struct err *err)
{
    const time_t now = time(NULL);
    strftime(s->started, sizeof s->started, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    snprintf(s->threads, sizeof s->threads, "%zu", s->pipeline.n_threads);
    int rc = args_command(&s->command, s->options->argc, s->options->argv, err);
    rc = rc ? rc : add_meta(s, "version", GAPSCOPE_VERSION, err);
    rc = rc ? rc : add_meta(s, "command", s->command.data, err);
    rc = rc ? rc : add_meta(s, "started", s->started, err);
    return rc ? rc : add_meta(s, "threads", s->threads, err);
}

/* What the models' checks and the choice of trigrams said. */
static int add_findings(struct scan *s, struct err *err)
{
    const struct engines *e = &s->engines;
    int rc = add_meta(s, "kernels", e->kernels, err);
    for (size_t i = 0; i < e->n && !rc; i++) {
        rc = e->check_texts[i] ? add_meta(s, e->check_keys[i], e->check_texts[i], err) : 0;
    }
    if (rc || !s->trigrams.meta) {
        return rc;
    }
    return add_meta(s, "trigrams", s->trigrams.meta, err);
}

// --- the run in the file ------------------------------------------------------------------------

/* Takes over what the file holds of this run; another's is refused, or forgotten with --force when
 * the first checkpoint replaces it. */
static int resume(struct scan *s, struct err *err)
{
    if (s->options->force) {
        s->replaces = true;
        store_clear_next(s->store);
        return 0;
    }
    struct run old = {0};
    struct results results = {0};
    struct err why = {0};
    int rc = store_load(s->store, &old, &results, err);
    if (rc) {
        return rc;
    }
    if (run_same(&old, &s->run, &why) || results_same(&results, &s->results, false, &why)) {
        results_free(&results);
        run_free(&old);
        return err_set(err, ERR_MISMATCH,
                       "%s holds another run (%s: that run's first, then this command's); bring "
                       "back what it was begun with, name another file, or --force to start anew",
                       s->file.path, why.msg);
    }
    results_free(&s->results);
    run_free(&s->run);
    s->run = old;
    s->results = results;
    s->resumed = true;
    return 0;
}

/* Joins the record to the results.  What run.db has and the record has not is said now, also where
 * nothing is left to do. */
static int open_record(struct scan *s, struct err *err)
{
    const struct scan_options *o = s->options;
    struct record *record = NULL;
    if (!o->record) {
        return 0;
    }
    int rc = record_open(&record, o->record, &s->run, s->pipeline.part, s->pipeline.n_parts,
                         o->force, err);
    s->record = rc ? NULL : record; // the collector's, which ends it
    rc = rc ? rc : results_join(&s->results, &record_collector, record, err);
    return rc ? rc : record_advance(record, &s->run, err);
}

static int open_run(struct scan *s, struct err *err)
{
    const struct scan_options *o = s->options;
    bool exists = false;
    int rc = part_file_choose(&s->file, o->output, o->part, o->force, err);
    s->file.scratch = o->scratch;
    rc = rc ? rc : part_file_open(&s->file, &s->store, &exists, err);
    if (!rc && exists) {
        rc = resume(s, err);
    }
    return rc ? rc : open_record(s, err);
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
    return !meta_says(s->store, "units_in_tables") ||
           meta_number(s->store, "units_in_tables") < run_count_done(&s->run);
}

// --- the end ------------------------------------------------------------------------------------

/* Writes tables that lag, and tries what is due.  *left: it was stopped before. */
static int finish_tables(struct scan *s, bool *left, struct err *err)
{
    int rc = tables_lag(s)
                 ? store_checkpoint(s->store, &s->run, &s->results, true, s->pipeline.meta, err)
                 : 0;
    if (rc || !scan_trials_are_due(s)) {
        return rc;
    }
    rc = s->engines.n > 0 ? 0 : scan_make_engines(s, err);
    return rc ? rc : scan_try_all(s, left, err);
}

// --- all of it ----------------------------------------------------------------------------------

/* What takes a while before the first unit can be scanned.  A signal ends it early. */
static int prepare(struct scan *s, struct err *err)
{
    const atomic_int *stop = &stop_signals()->stop;
    int rc = scan_make_engines(s, err);
    trigram_choice_print(&s->trigrams);
    if (rc || stopped_by()) {
        return rc;
    }
    rc = s->replaces ? first_unit_try(&s->pipeline, s->options->input.field, err) : 0;
    rc = rc ? rc : choose_tokens(&s->results, &s->pipeline, err);
    rc =
        rc ? rc
           : choose_skips(&s->results, &s->skips, &s->lineup, &s->engines, &s->pipeline, stop, err);
    rc = rc ? rc : first_unit_before_scan(&s->pipeline, &s->work, &s->run, err);
    rc = rc ? rc : prepare_effects(&s->results, &s->run, s->engines.predictors, stop, err);
    rc =
        rc ? rc : prepare_heads(&s->results, s->engines.predictors, s->lineup.tokenizer, stop, err);
    rc = rc ? rc : results_new_wholes(&s->results, err);
    return rc ? rc : add_findings(s, err);
}

/* Saves what prepare() found out, so that a run that is killed before its first unit is in does not
 * begin with it again.  With --force another run and its record were there until now. */
static int save_prepared(struct scan *s, struct err *err)
{
    const int rc =
        s->resumed ? 0
                   : store_checkpoint(s->store, &s->run, &s->results, false, s->pipeline.meta, err);
    return rc || !s->record ? rc : record_begin(s->record, err);
}

static void print_nothing_left(const struct scan *s)
{
    const struct pipeline_options *p = &s->pipeline;
    const uint64_t n = (s->run.n_units + p->n_parts - 1 - p->part) / p->n_parts; // of this part
    fprintf(stderr,
            "gapscope scan: %s: nothing is left to do: all %" PRIu64 " unit%s of %s are in\n",
            s->options->output, n, plural_s(n), p->n_parts > 1 ? "this part" : "the corpus");
}

/* Where nothing of the corpus could be read the file is emptied: the right --field would be another
 * run.  docs: of the corpus. */
static int check_docs(struct scan *s, uint64_t docs, struct err *err)
{
    const int rc = summary_check_docs(&s->results, docs, &s->shards, s->options->input.field, err);
    if (rc && !s->options->record) {
        store_clear(s->store, NULL);
    }
    return rc;
}

/* What a run has to do when all its units are in.  docs: of the corpus. */
static int finish(struct scan *s, uint64_t docs, int *status, struct err *err)
{
    bool left = false;
    int rc = finish_tables(s, &left, err);
    rc = rc ? rc : check_docs(s, docs, err);
    if (rc || left) {
        *status = left ? stopped_by() : *status;
        return rc;
    }
    return part_file_finish(&s->file, &s->store, err);
}

/* That of a run with all units in; a signal may change it later. */
static void set_status(const struct scan *s, int *status)
{
    const bool skipped = s->options->input.strict && summary_skipped(&s->results) > 0;
    const bool not_finite = !s->options->allow_not_finite && summary_not_finite(&s->results) > 0;
    *status = skipped || not_finite ? 1 : *status;
}

int scan_run(struct scan *s, int *status, struct err *err)
{
    int rc = begin_meta(s, err);
    rc = rc ? rc : status_open(&s->status, s->options->status, err);
    rc = rc ? rc : open_run(s, err);
    if (rc) {
        return rc;
    }
    if (s->resumed && nothing_left(&s->run, s->pipeline.part, s->pipeline.n_parts)) {
        print_nothing_left(s);
        set_status(s, status);
        // A part does not know whether the others have documents.
        const uint64_t docs = s->pipeline.n_parts > 1 ? 1 : summary_docs(&s->results);
        return finish(s, docs, status, err);
    }
    rc = part_file_reopen(&s->file, &s->store, &s->run, err);
    rc = rc ? rc
            : restarts_count(s->store, s->resumed ? run_count_done(&s->run) : 0,
                             s->options->restarts, s->file.path, err);
    if (rc) {
        return rc;
    }
    if (s->resumed) {
        const uint64_t units = run_count_done(&s->run), tokens = summary_tokens(&s->results);
        fprintf(stderr,
                "gapscope scan: %s: resuming from %" PRIu64 " unit%s done, %" PRIu64 " token%s\n",
                s->file.path, units, plural_s(units), tokens, plural_s(tokens));
    }
    rc = prepare(s, err);
    if (!rc && stopped_by()) {
        fprintf(stderr, "stopped: run the same command again\n");
        *status = stopped_by();
    }
    if (rc || stopped_by()) {
        return rc;
    }
    struct pipeline_result result = {0};
    rc = save_prepared(s, err);
    rc = rc ? rc : pipeline_run(&s->pipeline, &s->run, &s->results, s->store, &result, err);
    const int stopped = stopped_by();
    if (result.refused) {
        return rc;
    }
    if (rc) {
        return scan_way_out(s, err);
    }
    summary_print(&s->run, &s->results, &s->lineup, s->options->output, &result);
    if (stopped) {
        fprintf(stderr, "stopped: run the same command again, and it resumes from here\n");
        *status = stopped;
        return 0;
    }
    set_status(s, status);
    return finish(s, result.docs, status, err);
}
