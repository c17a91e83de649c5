/*
 * A scan that says what it would do, measured on the corpus' first unit.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "corpora/base/plural.h"
#include "scan/cli/progress.h"
#include "scan/cli/stop_signals.h"
#include "scan/load/nothing_read.h"
#include "scan/plan/memory.h"
#include "scan/work/first_unit.h"
#include "scan/work/scan_internal.h"

/* "; 16 changed models on 1/4 of the documents" */
static void print_changed(const struct run *run)
{
    const size_t full = run_full_models(run);
    const struct run_model *first = full < run->n_models ? &run->models[full] : NULL;
    if (first) {
        printf("; %zu changed model%s on ", run->n_models - full, plural_s(run->n_models - full));
        if (first->share_of) {
            printf("%" PRIu32 "/%" PRIu32 " of the documents", first->share_take, first->share_of);
        } else {
            printf("all documents");
        }
    }
}

static int print_plan(const struct scan *s, uint64_t bytes, struct err *err)
{
    const size_t n_threads = s->pipeline.n_threads, n_models = run_full_models(&s->run);
    const size_t n_pairs = run_full_pairs(&s->run);
    struct buf kept = {0};
    const int rc = memory_text(&kept, &s->run, &s->results, n_threads, err);
    if (rc) {
        buf_free(&kept);
        return rc;
    }
    printf("%zu shard%s, %.1f MB; %zu model%s, %zu pair%s", s->shards.n, plural_s(s->shards.n),
           (double)bytes * 1e-6, n_models, plural_s(n_models), n_pairs, plural_s(n_pairs));
    print_changed(&s->run);
    printf("; %zu thread%s; to %s\n", n_threads, plural_s(n_threads), s->options->output);
    if (*kept.data) {
        printf("%s\n", kept.data);
    }
    kept.len = 0;
    const int late = lineup_shrunk(&s->lineup, &kept, err);
    if (!late && kept.len > 0) {
        printf("%s\n", kept.data);
    }
    buf_free(&kept);
    return late;
}

/* What is most of a unit's time. */
static void print_times(const struct scan *s, const struct first_unit *first)
{
    const struct unit_times *t = &first->times;
    if (run_full_models(&s->run) < s->run.n_models || t->logits > 0) {
        printf("  of it %.1f s for %s", t->models,
               t->together ? "models together with changed heads of their last layers" : "models");
        if (t->changed > 0) {
            printf(", %.1f s for %schanged ones", t->changed, t->together ? "other " : "");
        }
        if (t->logits > 0) {
            printf(", %.1f s for distributions compared", t->logits);
        }
        printf("\n");
    }
}

/* Bytes of memory that the process has taken at most. */
static double peak(void)
{
    struct rusage use;
    return getrusage(RUSAGE_SELF, &use) == 0 ? (double)use.ru_maxrss * 1024 : 0;
}

/* As if all units were like the first; in the end threads wait for the last one, half of its time on
 * average. */
static int print_time(const struct scan *s, const struct first_unit *first, struct err *err)
{
    const struct pipeline_options *p = &s->pipeline;
    const double n_threads = (double)p->n_threads;
    double units;
    const int rc = first_unit_corpus(&units, p, err);
    if (rc) {
        return rc;
    }
    if (p->max_tokens && first->tokens) {
        units = fmin(units, ceil((double)p->max_tokens / (double)first->tokens));
    }
    units = fmax(1, units / (double)p->n_parts);
    char all[32];
    progress_time(all, first->seconds * fmax(1, units / n_threads + 1 - 1 / n_threads));
    printf("first unit: %" PRIu64 " document%s, %" PRIu64
           " token%s, %.1f s on one thread; all in about %s, %.3g core-hours\n",
           first->docs, plural_s(first->docs), first->tokens, plural_s(first->tokens),
           first->seconds, all, units * first->seconds / 3600);
    print_times(s, first);
    if (peak() > 0) {
        printf("models and one thread have taken %.2f GB of memory\n", peak() * 1e-9);
    }
    return 0;
}

/* Bytes of memory that the process has now. */
static double resident(void)
{
    long all = 0, in_memory = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    const bool read = f && fscanf(f, "%ld %ld", &all, &in_memory) == 2;
    if (f) {
        fclose(f);
    }
    return read ? (double)in_memory * (double)sysconf(_SC_PAGESIZE) : 0;
}

int scan_estimate(struct scan *s, struct scan_estimate *out, int *status, struct err *err)
{
    struct first_unit first = {0};
    *out = (struct scan_estimate){0};
    memory_sum(&out->kept, &s->run, &s->results);
    int rc = scan_make_engines(s, err);
    *status = stop_signals_status();
    if (rc || *status) {
        return rc;
    }
    out->models = resident();
    rc = results_new_wholes(&s->results, err);
    const double before = resident();
    rc = rc ? rc : first_unit_run(&first, &s->pipeline, &s->work, err);
    *status = stop_signals_status();
    if (rc || *status) {
        return rc;
    }
    if (!first.none) {
        rc = first_unit_corpus(&out->units, &s->pipeline, err);
    }
    out->unit_seconds = first.seconds;
    out->thread = fmax((double)out->kept.part, peak() - before);
    return rc;
}

int scan_dry_run(struct scan *s, int *status, struct err *err)
{
    const struct pipeline_options *p = &s->pipeline;
    struct first_unit first = {0};
    const uint64_t bytes = shards_bytes(&s->shards);
    int rc = scan_make_engines(s, err);
    if (!rc && !stop_signals_status()) {
        rc = results_new_wholes(&s->results, err);
        rc = rc ? rc : first_unit_run(&first, p, &s->work, err);
    }
    if (!rc && stop_signals_status()) {
        *status = stop_signals_status();
        return 0;
    }
    rc = rc ? rc : print_plan(s, bytes, err);
    if (rc) {
        return rc;
    }
    if (first.none) {
        printf("the corpus holds no document\n");
        return 0;
    }
    if (first.docs == 0) {
        struct record_keys keys;
        record_keys_of_shards(&keys, &s->shards);
        return s->shards.n == 1 ? nothing_read(first.rejects, s->options->input.field, &keys, err)
                                : 0;
    }
    lineup_say_double_bos(s->lineup.tokenizer, "first unit", first.double_bos);
    return print_time(s, &first, err);
}
