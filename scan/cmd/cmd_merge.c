#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "out/sql/sql.h"
#include "out/store/meta.h"
#include "out/store/store.h"
#include "scan/cli/args.h"
#include "scan/cmd/missing_units.h"
#include "scan/count/count.h"
#include "scan/work/restarts.h"
#include "scan/work/skip_trials.h"
#include "scan/work/status.h"
#include "scan/work/trials.h"

struct options {
    const char *output;
    size_t min_count; // of counts
    bool force, complete;
};

/* The parts read so far. */
struct merged {
    struct run run;
    struct results results; // n 0: none yet
    char **meta;            // [2 * n_meta] key, value
    size_t n_meta, meta_cap;
};

static void merged_free(struct merged *m)
{
    results_free(&m->results);
    run_free(&m->run);
    for (size_t i = 0; i < 2 * m->n_meta; i++) {
        free(m->meta[i]);
    }
    free(m->meta);
}

/* A value that the parts agree on stays; of different ones all are kept. */
static int add_meta(struct merged *m, const char *key, const char *value, struct err *err)
{
    for (size_t i = 0; i < m->n_meta; i++) {
        char **old = &m->meta[2 * i + 1];
        if (strcmp(m->meta[2 * i], key) != 0) {
            continue;
        }
        return meta_join(old, value, err);
    }
    // The NULL that ends the list has its place, too.
    int rc = mem_reserve(&m->meta, &m->meta_cap, 2 * m->n_meta + 3, sizeof *m->meta, "meta", err);
    if (rc) {
        return rc;
    }
    char *k = strdup(key), *v = strdup(value);
    if (!k || !v) {
        free(k);
        free(v);
        return err_nomem(err, "meta");
    }
    m->meta[2 * m->n_meta] = k;
    m->meta[2 * m->n_meta + 1] = v;
    m->meta[2 * ++m->n_meta] = NULL;
    return 0;
}

static int add_all_meta(struct merged *m, struct store *s, const char *path, struct err *err)
{
    sqlite3 *db = store_sqlite(s);
    sqlite3_stmt *stmt = NULL;
    int rc = 0, step = SQLITE_DONE;
    // The store has its own opinion on when the whole was finished, and on what has been tried.
    if (sqlite3_prepare_v2(db,
                           "SELECT key, value FROM meta WHERE key NOT IN ('finished', "
                           "'trigrams_tested', 'skips', '" RESTARTS_KEY "', '" STATUS_KEY
                           "') ORDER BY key",
                           -1, &stmt, NULL) != SQLITE_OK) {
        return err_set(err, ERR_FORMAT, "%s: %s", path, sqlite3_errmsg(db));
    }
    while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(stmt, 0);
        const char *value = (const char *)sqlite3_column_text(stmt, 1);
        rc = add_meta(m, key ? key : "", value ? value : "", err);
    }
    if (!rc && step != SQLITE_DONE) {
        rc = err_set(err, ERR_FORMAT, "%s: %s", path, sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* Reads the part 'path' and adds it; 'first' is the part that the others are compared with. */
static int add_part(struct merged *m, const char *path, const char *first, struct err *err)
{
    struct store *s = NULL;
    struct run run = {0};
    struct results results = {0};
    const bool is_first = m->results.n == 0;
    int rc = store_open_read(&s, path, err);
    if (!rc) {
        rc = store_load(s, &run, &results, err);
    }
    if (!rc) {
        rc = add_all_meta(m, s, path, err);
    }
    store_close(s); // now: whoever writes this part may go on
    if (rc) {
        goto out;
    }
    if (file_ends_with(path, STORE_PARTIAL)) {
        fprintf(stderr, "gapscope merge: %s: its part is not finished\n", path);
    }
    if (is_first) {
        m->run = run;
        m->results = results;
        run = (struct run){0};
        results = (struct results){0};
        goto out;
    }
    rc = run_same(&m->run, &run, err);
    rc = rc ? rc : results_same(&m->results, &results, true, err);
    rc = rc ? rc : run_merge(&m->run, &run, err);
    if (rc) {
        err_prefix(err, "%s cannot be merged with %s", path, first);
        goto out;
    }
    rc = results_merge(&m->results, &results, err);
out:
    results_free(&results);
    run_free(&run);
    return rc;
}

static int check_output(const struct options *o, struct err *err)
{
    struct stat out;
    if (!o->output || strcmp(o->output, "-") == 0) {
        return err_set(err, ERR_USAGE, "merge needs -o run.db, a file");
    }
    if (stat(o->output, &out) != 0) {
        return 0;
    }
    if (!S_ISREG(out.st_mode)) {
        return err_set(err, ERR_USAGE, "%s: is not a regular file", o->output);
    }
    if (out.st_size > 0 && !o->force) {
        return err_set(err, ERR_USAGE, "%s: is there already; --force replaces it", o->output);
    }
    return 0;
}

/* What is tried on the models of a whole run. */
struct tried {
    trials_fn *fn;
    const char *what;   // "trigrams"
    const char *how[2]; // what is said around how many
};

/* Tries it if the models are still where they were, else sets *tested to false.  That they are not
 * is no error of the merge.  Errors: ERR_NOMEM, ERR_IO, and fn's. */
static int try_one(const struct merged *m, const struct tried *t, struct store *s, bool *tested,
                   struct err *failed)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct err err = {0};
    size_t n = 0;
    bool loaded;
    const int rc = trials_reload(t->fn, &m->run, &m->results, cores > 0 ? (size_t)cores : 1,
                                 "merge", s, &n, &loaded, &err);
    *tested = *tested && rc == 0;
    if (rc == ERR_NOMEM || rc == ERR_IO || (rc && loaded)) {
        *failed = err;
        return rc;
    }
    if (rc) {
        fprintf(stderr,
                "gapscope merge: the %s were not tested on the models: %s\n"
                "to test them, run gapscope merge --force, or the scan's command, where the models "
                "are\n",
                t->what, err.msg);
    } else {
        fprintf(stderr, "  %s: %s%zu%s\n", t->what, t->how[0], n, t->how[1]);
    }
    return 0;
}

/* Tries all that is due: *tested, as above. */
static int try_all(const struct merged *m, struct store *s, bool *tested, struct err *err)
{
    const struct tried trigrams = {
        trials_run,
        "trigrams",
        {"tested ", m->run.n_pairs > 0 ? " that beat the base on the models" : " on the models"}};
    const struct tried skips = {skip_trials_run, "skip-trigrams", {"bugs: ", ""}};
    int rc = 0;
    *tested = true;
    if (trials_are_due(&m->run, &m->results)) {
        rc = try_one(m, &trigrams, s, tested, err);
    }
    if (!rc && skip_trials_are_due(&m->run, &m->results)) {
        rc = try_one(m, &skips, s, tested, err);
    }
    return rc;
}

/* Under a temporary name until it is whole.  *tested: try_all()'s. */
static int write_merged(const struct merged *m, const char *path, bool *tested, struct err *err)
{
    struct outfile out = {0};
    struct store *s = NULL;
    bool exists;
    int rc = outfile_open(&out, path, err);
    rc = rc ? rc : outfile_beside(&out, "-journal", err);
    if (!rc) {
        rc = store_open(&s, out.tmp_path, &exists, err);
    }
    if (!rc) {
        // A journal beside a file that nobody resumes would only be left behind by a signal.
        const struct sql db = {.db = store_sqlite(s), .path = path};
        rc = sql_exec(&db, "PRAGMA journal_mode=MEMORY", err);
    }
    if (!rc) {
        rc = store_checkpoint(s, &m->run, &m->results, true, (const char *const *)m->meta, err);
    }
    rc = rc ? rc : try_all(m, s, tested, err);
    store_close(s);
    if (!rc) {
        rc = outfile_commit(&out, err);
    }
    outfile_discard(&out);
    return rc;
}

// --- what is missing ----------------------------------------------------------------------------

static bool run_has(const void *file, uint64_t unit)
{
    return run_is_done(file, unit);
}

static bool counts_have(const void *file, uint64_t unit)
{
    return ngrams_has_unit(file, unit);
}

/* How much of the run the parts are. */
static void print_done(const struct run *run, const char *path, size_t n_parts)
{
    fprintf(stderr, "gapscope: %s: %zu part%s, %" PRIu64, path, n_parts, n_parts == 1 ? "" : "s",
            run_count_done(run));
    if (run_is_finished(run)) {
        fprintf(stderr, " unit%s: the whole run\n", plural_s(run_count_done(run)));
    } else if (run->counted) {
        fprintf(stderr, " of %" PRIu64 " unit%s: not the whole run yet\n", run->n_units,
                plural_s(run->n_units));
    } else {
        fprintf(stderr, " unit%s; no part has seen the corpus' end yet\n",
                plural_s(run_count_done(run)));
    }
}

/* Says what the run lacks; returns the exit status. */
static int check_run(const struct run *run, const char *path, bool tested)
{
    if (!run_is_finished(run) && run->counted) {
        missing_units_print(path, "scan", run->n_units, run_has, run);
    } else if (!run_is_finished(run)) {
        fprintf(stderr,
                "gapscope merge: %s: incomplete: no part has read the corpus to its end, so there "
                "are more units than the %" PRIu64 " that are done\n"
                "  let gapscope scan finish every part (--part I/N), then merge them all, or this "
                "file and the others\n",
                path, run_count_done(run));
    } else if (!tested) {
        fprintf(stderr, "gapscope merge: %s: incomplete: not all was tested on the models\n", path);
    }
    return run_is_finished(run) && tested ? 0 : STATUS_INCOMPLETE;
}

/* The same for a file of counts. */
static int check_counts(const struct ngrams_info *info, const char *path, int *status,
                        struct err *err)
{
    struct ngrams *n = NULL;
    if (info->n_units_done == info->n_units) {
        return 0;
    }
    const int rc = ngrams_open(&n, path, err);
    if (!rc) {
        missing_units_print(path, "count", info->n_units, counts_have, n);
        *status = STATUS_INCOMPLETE;
    }
    ngrams_close(n);
    return rc;
}

// --- the command --------------------------------------------------------------------------------

/* Parts of a count. */
static int merge_counts(const struct options *o, const struct arg_list *parts, int *status,
                        struct err *err)
{
    struct counted done;
    if (o->min_count < 1 || o->min_count > 2) {
        return err_set(err, ERR_USAGE, "--min-count %zu: expected 1 or 2", o->min_count);
    }
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int rc = count_merge(parts, o->output, cores > 0 ? (size_t)cores : 1, (size_t)1 << 30,
                               o->min_count, &done, err);
    if (rc) {
        return rc;
    }
    count_print(&done.info, o->output);
    return o->complete ? check_counts(&done.info, o->output, status, err) : 0;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    struct merged m = {0};
    bool tested = false;
    int rc = check_output(o, err);
    if (!rc && ngrams_is(operands->items[0])) {
        return merge_counts(o, operands, status, err);
    }
    if (!rc && o->min_count != 1) {
        rc = err_set(err, ERR_USAGE, "--min-count is for the parts of a count");
    }
    for (size_t i = 0; i < operands->n && !rc; i++) {
        rc = add_part(&m, operands->items[i], operands->items[0], err);
    }
    if (!rc) {
        rc = write_merged(&m, o->output, &tested, err);
    }
    if (!rc) {
        print_done(&m.run, o->output, operands->n);
    }
    if (!rc && o->complete) {
        *status = check_run(&m.run, o->output, tested);
    }
    merged_free(&m);
    return rc;
}

int cmd_merge(int argc, char **argv)
{
    struct options o = {.min_count = 1};
    const struct arg args[] = {
        {"output", 'o', ARG_STRING, &o.output, "run.db", "the merged run, a new file"},
        {"min-count", 0, ARG_SIZE, &o.min_count, "K",
         "of counts, 2: leave out trigrams and skip-bigrams seen once"},
        {"complete", 0, ARG_FLAG, &o.complete, NULL,
         "exit with 3 if the merged file is not the whole run (or\ncount) yet, and say what is "
         "missing"},
        {"force", 0, ARG_FLAG, &o.force, NULL, "replace run.db if it is there"},
        {0}};
    const struct command command = {
        .name = "merge",
        .usage = "-o run.db part.db... | -o counts.ngrams part.ngrams...",
        .summary =
            "Merges the parts of a run (gapscope scan --part I/N), in any order and\n"
            "grouping: all together are exactly the undivided run.  Parts of different\n"
            "models, corpora or settings are refused, and parts that overlap.  The parts of a\n"
            "count (gapscope count --part I/N) are merged likewise.",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .operands = "part.db",
        .more =
            "Exit status: 0 merged; 1 the parts cannot be merged; 2 wrong usage; 3 merged with\n"
            "--complete, and something is missing.  The merged file is written in this case, "
            "too.",
        .examples = "gapscope merge -o run.db p0.db p1.db",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
