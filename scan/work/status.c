#include "scan/work/status.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "corpora/base/memstream.h"
#include "corpora/base/path_error.h"
#include "out/results/gaps/gaps_collector.h"
#include "out/store/meta.h"
#include "scan/plan/pairs.h"
#include "scan/work/summary.h"

#define WIDTH_95 1.959963984540054 // standard errors on either side

int status_open(struct status *s, const char *path, struct err *err)
{
    *s = (struct status){.path = path};
    if (!path) {
        return 0;
    }
    s->to = fopen(path, "ae");
    return s->to ? 0 : path_write_error(path, errno, err);
}

void status_close(struct status *s)
{
    if (s->to) {
        fclose(s->to);
    }
    free(s->best);
    free(s->meta);
    free(s->line);
    *s = (struct status){0};
}

bool status_is_due(const struct status *s)
{
    return s->to && progress_clock() - s->last >= STATUS_SECONDS;
}

// --- a line -------------------------------------------------------------------------------------

/* Ends the stream; *text becomes what was written, without the end of the line. */
static int take_text(FILE *to, char **own, char **text, struct err *err)
{
    if (fclose(to) != 0) {
        return err_nomem(err, "a line of status");
    }
    (*own)[strcspn(*own, "\n")] = '\0';
    free(*text);
    *text = *own;
    return 0;
}

/* The best neuron of each hypothesis, from the tables. */
static int make_best(struct status *s, struct store *store, struct err *err)
{
    static const char sql[] = "SELECT name, neuron, average_precision FROM hypothesis_best";
    sqlite3_stmt *stmt = NULL;
    char *text = NULL;
    size_t len;
    struct jsonout j = {.to = memstream_open(&text, &len)};
    if (!j.to) {
        return err_nomem(err, "a line of status");
    }
    jsonout_begin(&j, '[');
    if (sqlite3_prepare_v2(store_sqlite(store), sql, -1, &stmt, NULL) == SQLITE_OK) {
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(stmt, 0);
            const char *neuron = (const char *)sqlite3_column_text(stmt, 1);
            jsonout_begin(&j, '{');
            jsonout_key(&j, "hypothesis");
            jsonout_string(&j, name ? name : "");
            jsonout_key(&j, "neuron");
            if (neuron) {
                jsonout_string(&j, neuron);
            } else {
                jsonout_raw(&j, "null");
            }
            jsonout_key(&j, "average_precision");
            jsonout_double(&j, sqlite3_column_type(stmt, 2) == SQLITE_NULL
                                   ? NAN
                                   : sqlite3_column_double(stmt, 2));
            jsonout_end(&j, '}');
        }
    }
    sqlite3_finalize(stmt);
    jsonout_end(&j, ']');
    s->best_is_old = false;
    return take_text(j.to, &text, &s->best, err);
}

static void put_real(struct jsonout *j, const char *key, double value)
{
    jsonout_key(j, key);
    jsonout_double(j, value);
}

static void put_count(struct jsonout *j, const char *key, uint64_t value)
{
    jsonout_key(j, key);
    jsonout_u64(j, value);
}

static int put_gaps(struct jsonout *j, const struct status_of *of, struct err *err)
{
    const struct tally *t = gaps_of(of->results);
    int rc = 0;
    jsonout_key(j, "gaps");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < run_full_pairs(of->run) && !rc; i++) {
        const struct moments *g = &t->pairs[i].gap;
        const double mean = moments_mean(g), se = moments_se(g);
        char *name = pair_name(&of->run->pairs[i], of->lineup);
        if (!name) {
            rc = err_nomem(err, "a line of status");
            break;
        }
        jsonout_begin(j, '{');
        jsonout_key(j, "pair");
        jsonout_string(j, name);
        put_count(j, "n", g->n);
        put_real(j, "mean", mean);
        put_real(j, "se", se);
        put_real(j, "low", mean - WIDTH_95 * se);
        put_real(j, "high", mean + WIDTH_95 * se);
        jsonout_end(j, '}');
        free(name);
    }
    jsonout_end(j, ']');
    return rc;
}

static void put_progress(struct jsonout *j, const struct status_of *of)
{
    char time_text[32] = "";
    const time_t now = time(NULL);
    struct tm tm;
    struct progress_numbers numbers;
    progress_numbers(of->progress, of->now, &numbers);
    strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    jsonout_key(j, "time");
    jsonout_string(j, time_text);
    jsonout_key(j, "state");
    jsonout_string(j, of->state);
    put_count(j, "part", of->part);
    put_count(j, "parts", of->n_parts);
    put_count(j, "units_done", run_count_done(of->run));
    put_real(j, "units", of->run->counted ? (double)of->run->n_units : NAN);
    put_count(j, "tokens", summary_tokens(of->results));
    put_real(j, "tokens_per_second", round(numbers.rate));
    const bool finished = strcmp(of->state, "finished") == 0;
    put_real(j, "share", finished ? 1 : numbers.share);
    put_real(j, "seconds_left", finished ? 0 : round(numbers.left));
}

int status_make(struct status *s, const struct status_of *of, struct err *err)
{
    char *text = NULL;
    size_t len;
    int rc = !s->best || s->best_is_old ? make_best(s, of->store, err) : 0;
    struct jsonout j = {.to = rc ? NULL : memstream_open(&text, &len)};
    if (!j.to) {
        return rc ? rc : err_nomem(err, "a line of status");
    }
    jsonout_begin(&j, '{');
    put_progress(&j, of);
    rc = put_gaps(&j, of, err);
    put_count(&j, "best_units", meta_number(of->store, "units_in_tables"));
    jsonout_key(&j, "best");
    jsonout_raw(&j, s->best);
    jsonout_end(&j, '}');
    const int ended = take_text(j.to, &text, &s->line, err);
    return rc ? rc : ended;
}

void status_write(struct status *s)
{
    s->last = progress_clock();
    if (!s->to) {
        return;
    }
    fprintf(s->to, "%s\n", s->line);
    if (fflush(s->to) != 0 && !s->failed) {
        fprintf(stderr, "gapscope scan: %s: could not be written: %s\n", s->path, strerror(errno));
        s->failed = true;
    }
    clearerr(s->to);
}

int status_meta(struct status *s, const char *const *meta, const char *const **out, struct err *err)
{
    size_t n = 0;
    while (meta && meta[n]) {
        n++;
    }
    const char **all = mem_resize(s->meta, n + 3, sizeof *all);
    if (!all) {
        return err_nomem(err, "meta");
    }
    for (size_t i = 0; i < n; i++) {
        all[i] = meta[i];
    }
    all[n] = STATUS_KEY;
    all[n + 1] = s->line;
    all[n + 2] = NULL;
    s->meta = all;
    *out = all;
    return 0;
}
