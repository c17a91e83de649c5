#include "scan/cmd/commands.h"

#include <json-c/json.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/memstream.h"
#include "out/read/reader.h"
#include "out/store/meta.h"
#include "out/store/store.h"
#include "out/text/printable.h"
#include "scan/cli/args.h"
#include "scan/cli/progress.h"
#include "scan/work/status.h"

struct options {
    const char *every;
    bool once;
};

/* What is shown: made whole while the file is open, and printed when it is closed again. */
struct view {
    char *text; // lines
    bool finished;
};

// --- a view -------------------------------------------------------------------------------------

/* The number of a member; NAN where it is none. */
static double number(struct json_object *object, const char *key)
{
    struct json_object *value = json_member(object, key);
    return json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int)
               ? json_object_get_double(value)
               : NAN;
}

static const char *word(struct json_object *object, const char *key)
{
    const char *text = json_c_string(json_member(object, key));
    return text ? text : "?";
}

static void put_name(FILE *to, const char *name)
{
    show_text(to, name, 0, SIZE_MAX);
}

/* "running: 37.2 %, 12m 05s left, 30811 tokens per second, 4211008 tokens in 64 units, at ..." */
static void put_first(FILE *to, struct json_object *status)
{
    const double left = number(status, "seconds_left"), parts = number(status, "parts");
    const double units = number(status, "units_done"), tokens = number(status, "tokens");
    char time_text[32] = "?";
    if (left >= 0 && left < 1e9) {
        progress_time(time_text, left);
    }
    put_name(to, word(status, "state"));
    if (parts > 1) {
        fprintf(to, ", part %.0f/%.0f", number(status, "part"), parts);
    }
    fprintf(to,
            ": %.1f %%, %s left, %.0f tokens per second, %.0f token%s in %.0f unit%s, saved at ",
            100 * number(status, "share"), time_text, number(status, "tokens_per_second"), tokens,
            tokens == 1 ? "" : "s", units, units == 1 ? "" : "s");
    put_name(to, word(status, "time"));
    fputc('\n', to);
}

static void put_gaps(FILE *to, struct json_object *status)
{
    struct json_object *gaps = json_member(status, "gaps");
    const size_t n =
        json_object_is_type(gaps, json_type_array) ? json_object_array_length(gaps) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *gap = json_object_array_get_idx(gaps, i);
        const double low = number(gap, "low"), high = number(gap, "high");
        fputs("  ", to);
        put_name(to, word(gap, "pair"));
        if (isnan(number(gap, "mean"))) {
            fputs("  no token yet\n", to);
        } else if (isnan(low) || isnan(high)) {
            fprintf(to, "  mean gap %+.4f nats\n", number(gap, "mean"));
        } else {
            fprintf(to, "  mean gap %+.4f nats, %+.4f to %+.4f (95 %%)\n", number(gap, "mean"), low,
                    high);
        }
    }
}

/* The best neurons of the tables, which are those of the last full checkpoint. */
static void put_best(FILE *to, struct reader *r)
{
    sqlite3_stmt *stmt = reader_query(
        r, "SELECT name, neuron, average_precision FROM hypothesis_best ORDER BY hypothesis", NULL);
    while (reader_step(r, stmt)) {
        fputs("  ", to);
        put_name(to, column_text(stmt, 0));
        if (column_is_null(stmt, 1) || column_is_null(stmt, 2)) {
            fputs("  no neuron yet\n", to);
        } else {
            fputs("  ", to);
            put_name(to, column_text(stmt, 1));
            fprintf(to, "  average precision %.3f\n", column_real(stmt, 2));
        }
    }
    sqlite3_finalize(stmt);
}

/* Reads the line of the last checkpoint.  *status is NULL where there is none yet. */
static int read_status(struct json_object **status, struct reader *r, struct err *err)
{
    char *text = NULL;
    *status = NULL;
    int rc = meta_get(&text, r->store, STATUS_KEY, err);
    if (!rc && text) {
        struct json_parser *parser = json_parser_new();
        rc = parser ? json_parse(parser, status, text, strlen(text), err) : err_nomem(err, "JSON");
        rc = rc ? err_prefix(err, "%s: meta '%s'", r->path, STATUS_KEY) : 0;
        json_parser_free(parser);
    }
    free(text);
    return rc;
}

/* The part's unfinished file where the finished one is not there yet; free() it. */
static char *find_file(const char *path)
{
    char *partial = NULL;
    if (access(path, F_OK) != 0 && asprintf(&partial, "%s" STORE_PARTIAL, path) >= 0 &&
        access(partial, F_OK) == 0) {
        return partial;
    }
    free(partial);
    return strdup(path);
}

static int make_view(struct view *v, const char *name, struct err *err)
{
    struct json_object *status = NULL;
    struct reader r = {0};
    char *path = find_file(name);
    size_t len;
    FILE *to = path ? memstream_open(&v->text, &len) : NULL;
    if (!to) {
        free(path);
        return err_nomem(err, "a view");
    }
    int rc = reader_open(&r, path, err);
    rc = rc ? rc : read_status(&status, &r, err);
    if (!rc) {
        put_name(to, path);
        fputs(": ", to);
        if (status) {
            put_first(to, status);
            put_gaps(to, status);
        } else {
            fputs(meta_says(r.store, "finished") ? "finished\n" : "nothing is scanned yet\n", to);
        }
        put_best(to, &r);
        rc = r.rc;
        v->finished =
            meta_says(r.store, "finished") || strcmp(word(status, "state"), "finished") == 0;
    }
    json_object_put(status);
    reader_close(&r);
    free(path);
    return fclose(to) == 0 ? rc : rc ? rc : err_nomem(err, "a view");
}

// --- the command --------------------------------------------------------------------------------

/* Shows it: on a terminal in place of the last one, cut to its height; elsewhere the lines. */
static void show(const char *text, bool terminal)
{
    struct winsize size;
    size_t rows = SIZE_MAX;
    if (terminal) {
        fputs("\033[H\033[J", stdout);
        rows =
            ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row - 1 : 24;
    }
    for (size_t i = 0; *text && i < rows; i++) {
        const size_t n = strcspn(text, "\n");
        printf("%.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
    fflush(stdout);
}

static void wait_seconds(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    const bool terminal = isatty(STDOUT_FILENO);
    double every = 2;
    char *last = NULL;
    int rc = args_real("every", o->every, 0.1, 1e6, &every, err);
    for (bool done = rc != 0; !done;) {
        struct view v = {0};
        rc = make_view(&v, operands->items[0], err);
        if (!rc && (!last || strcmp(last, v.text) != 0)) {
            show(v.text, terminal);
        }
        free(last);
        last = v.text;
        done = rc || o->once || v.finished || ferror(stdout);
        if (!done) {
            wait_seconds(every);
        }
    }
    free(last);
    return rc;
}

int cmd_watch(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {
        {"once", 0, ARG_FLAG, &o.once, NULL, "show it once, and end"},
        {"every", 0, ARG_STRING, &o.every, "SECONDS", "between looks at the file; 2 if not given"},
        {0}};
    const struct command command = {
        .name = "watch",
        .usage = "[--once] [--every SECONDS] run.db",
        .summary =
            "How far a scan is, as of its last checkpoint: time left, mean gaps with their 95 %\n"
            "intervals, the best neuron of each hypothesis.  On a terminal it is shown in place,\n"
            "elsewhere as lines when something is new; it ends when the scan (or part) is "
            "finished.\n"
            "Of a part that is not finished, run.db.partial is watched.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope watch run.db",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
