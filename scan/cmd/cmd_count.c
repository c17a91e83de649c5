#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/plural.h"
#include "scan/cli/args.h"
#include "scan/cli/progress.h"
#include "scan/cli/stop_signals.h"
#include "scan/cli/task.h"
#include "scan/count/count.h"
#include "scan/load/lineup.h"

struct options {
    struct input_options input;
    const char *model, *tokenizer, *output, *part;
    size_t threads, memory, min_count;
    bool force;
    struct task_options task;
};

static int check(const struct options *o, const struct tokenizer *t, struct err *err)
{
    if (!o->output || strcmp(o->output, "-") == 0) {
        return err_set(err, ERR_USAGE, "-o counts.ngrams, a file, is missing");
    }
    if (o->min_count < 1 || o->min_count > 2) {
        return err_set(err, ERR_USAGE, "--min-count %zu: expected 1 or 2", o->min_count);
    }
    if (o->min_count > 1 && o->part) {
        return err_set(err, ERR_USAGE,
                       "--min-count does not go with --part; give it to gapscope merge");
    }
    if (o->threads > 1024) {
        return err_set(err, ERR_USAGE, "--threads %zu: at most 1024", o->threads);
    }
    if (o->memory < 16 || o->memory > (size_t)1 << 30) {
        return err_set(err, ERR_USAGE, "--memory %zu: from 16 MB", o->memory);
    }
    return o->input.ids || tokenizer_bos(t) != TOKENIZER_NO_ID
               ? 0
               : err_set(err, ERR_NOT_FOUND, "the tokenizer has no BOS; give ids with --ids");
}

static void print_done(const struct counted *done, const char *path)
{
    char count[32], merge[32];
    progress_time(count, done->count_seconds);
    progress_time(merge, done->merge_seconds);
    fprintf(stderr, "%" PRIu64 " token%s in %s (%.0f tokens per second), merged in %s\n",
            done->tokens_now, plural_s(done->tokens_now), count,
            done->count_seconds > 0 ? (double)done->tokens_now / done->count_seconds : 0, merge);
    count_print(&done->info, path);
    if (done->info.docs == 0 && done->info.n_units == 0) {
        fprintf(stderr, "  the corpus is empty: there is no record in it\n");
    }
}

/* What was skipped; returns how much. */
static uint64_t print_rejects(const struct counted *done)
{
    for (unsigned r = 0; r < REJECT_N; r++) {
        if (done->rejects.n[r]) {
            fprintf(stderr, "  %" PRIu64 " x %s\n", done->rejects.n[r],
                    reject_name((enum reject_reason)r));
        }
    }
    if (done->repaired) {
        char text[REPAIRED_TEXT];
        fprintf(stderr, "  %s\n", repaired_text(text, done->repaired));
    }
    return rejects_total(&done->rejects);
}

static int count(const struct options *o, const struct count *c, double stop_after, int *status,
                 struct err *err)
{
    struct counted done;
    stop_signals_catch("a second signal ends at once; the runs that are whole stay");
    task_stop(&o->task, stop_after);
    const int rc = count_run(c, o->output, &done, err);
    if (rc) {
        return rc;
    }
    if (done.nothing_left) {
        fprintf(stderr, "gapscope count: nothing is left to do\n");
        count_print(&done.info, o->output);
    } else if (done.stopped) {
        fprintf(stderr, "stopped: run the same command again, and it resumes from here\n");
        *status = stop_signals_status();
    } else {
        print_done(&done, o->output);
        lineup_say_double_bos(c->tokenizer, "corpus", done.double_bos);
        *status = print_rejects(&done) > 0 && o->input.strict;
    }
    return 0;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    struct tokenizer *tokenizer = NULL;
    struct shards shards = {0};
    double stop_after;
    struct count c = {.n_threads = o->threads,
                      .memory_bytes = o->memory << 20,
                      .min_count = o->min_count,
                      .settings = input_settings(&o->input),
                      .force = o->force,
                      .signals = stop_signals()};
    if (c.n_threads == 0) {
        const long cores = sysconf(_SC_NPROCESSORS_ONLN);
        c.n_threads = cores > 0 ? (size_t)cores : 1;
    }
    int rc = lineup_tokenizer(&tokenizer, o->model, o->tokenizer, err);
    rc = rc ? rc : check(o, tokenizer, err);
    rc = rc ? rc : task_part("count", o->part, &c.part, &c.n_parts, err);
    rc = rc ? rc : task_stop_after(o->task.stop_after, &stop_after, err);
    rc = rc ? rc : input_format(&o->input, &c.units.source.format, err);
    rc = rc ? rc : shards_open(&shards, operands->items, operands->n, err);
    if (!rc) {
        if (!o->input.ids) {
            lineup_say_unknown_bos(tokenizer, o->tokenizer ? o->tokenizer : o->model);
        }
        c.shards = &shards;
        c.tokenizer = tokenizer;
        c.units.source.field = o->input.field;
        c.units.ids = o->input.ids;
        c.units.d_vocab = tokenizer_n_vocab(tokenizer);
        // A document is counted as a whole: no window ends it.
        c.units.n_ctx = c.layout.n_ctx = (size_t)1 << 31;
        c.layout.tokenizer = o->input.ids ? NULL : tokenizer;
        c.layout.special = o->input.special ? SPECIAL_SPLIT : SPECIAL_PLAIN;
        const char *ids_key;
        rc = units_check(&shards, &c.units, &ids_key, err);
        input_say_ids_key(ids_key);
        rc = rc ? rc : count(o, &c, stop_after, status, err);
    }
    shards_free(&shards);
    tokenizer_free(tokenizer);
    return rc;
}

int cmd_count(int argc, char **argv)
{
    struct options o = {.memory = 1024, .min_count = 1};
    const struct arg args[] = {
        ARGS_GROUP("the counts"),
        {"output", 'o', ARG_STRING, &o.output, "F.ngrams",
         "the counts; an unfinished count of the same command is\ncontinued"},
        {"min-count", 0, ARG_SIZE, &o.min_count, "K",
         "2: leave out trigrams and skip-bigrams seen once"},
        {"force", 0, ARG_FLAG, &o.force, NULL, "start anew in place of another count"},
        ARGS_GROUP("the input"),
        TOKENIZER_ARGS(&o.tokenizer, &o.model),
        IDS_ARG(&o.input),
        INPUT_ARGS(&o.input),
        SPECIAL_ARG(&o.input),
        ARGS_GROUP("the run"),
        THREADS_ARG(&o.threads),
        {"memory", 0, ARG_SIZE, &o.memory, "MB", "of all threads together; 1024 if not given"},
        {"part", 0, ARG_STRING, &o.part, "I/N",
         "count units I, I + N, ...; gapscope merge joins parts;\nauto/N: I as the job engine "
         "says"},
        TASK_ARGS(&o.task),
        {0}};
    const struct command command = {
        .name = "count",
        .usage = "--tokenizer FILE|--model M [options] -o counts.ngrams CORPUS...",
        .summary =
            "Counts a corpus' bigrams, trigrams and skip-bigrams (distances 2 to 16, as 2, 3-4,\n"
            "5-8, 9-16), exactly, within documents.  It can be stopped or killed at any moment;\n"
            "the same command resumes it.  The counts are models for scan and score:\n"
            "  --model bigram=counts.ngrams:2      --model trigram=counts.ngrams:3\n"
            "  --model skip=counts.ngrams:skip     --model oracle=counts.ngrams:oracle",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .operands = "CORPUS",
        .examples = "gapscope count --model gelu-1l -o counts.ngrams corpus.jsonl.zst",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
