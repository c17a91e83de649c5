#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/skip_list.h"
#include "out/read/row_json.h"
#include "out/text/skips.h"
#include "scan/cli/args.h"

#define LISTED_DEFAULT 20
#define PLACES_DEFAULT 10

struct options {
    size_t n, id; // SIZE_MAX where it was not said
    bool bugs, all, json;
    const char *sort, *color, *output;
};

static int parse_sort(const struct options *o, enum skip_sort *out, struct err *err)
{
    static const char *const names[] = {
        [SKIP_BY_STRENGTH] = "strength", [SKIP_BY_PLACES] = "places", [SKIP_BY_RATE] = "rate"};
    *out = SKIP_BY_STRENGTH;
    for (size_t i = 0; o->sort && i < sizeof names / sizeof *names; i++) {
        if (strcmp(o->sort, names[i]) == 0) {
            *out = (enum skip_sort)i;
            return 0;
        }
    }
    return o->sort
               ? err_set(err, ERR_USAGE, "--sort %s: expected strength, places or rate", o->sort)
               : 0;
}

static int check_options(const struct options *o, struct err *err)
{
    const bool list = o->sort || o->all;
    if (o->bugs && (list || o->id != SIZE_MAX)) {
        return err_set(err, ERR_USAGE, "--bugs goes with -n alone: the others are of the list");
    }
    return list && o->id != SIZE_MAX
               ? err_set(err, ERR_USAGE,
                         "--id shows one skip-trigram: --sort and --all are of the "
                         "list")
               : 0;
}

static size_t how_many(const struct options *o, size_t usual)
{
    return o->n != SIZE_MAX ? o->n : o->json ? SIZE_MAX : usual;
}

/* What the run says of all, as a note or the member "run". */
static int show_run(const struct screen *s, struct reader *r, struct jsonout *j, bool json,
                    struct json_object *run, const char *base)
{
    struct buf words = {0};
    int rc = 0;
    if (json) {
        jsonout_key(j, "run");
        json_value(j, run, 0);
    } else if (run) {
        rc = skip_funnel_words(&words, run, base, r->err);
        if (!rc) {
            put_note(s, 0, "%s", words.data);
        }
    } else {
        fputs("the run is not finished: bugs are looked for at its end\n", s->to);
    }
    buf_free(&words);
    return reader_take(r, rc);
}

static void show_bugs(const struct screen *s, struct reader *r, const struct options *o,
                      struct jsonout *j, const char *base)
{
    struct skip_bug_row *rows = NULL;
    size_t n = 0;
    if (!skip_bugs_read(&rows, &n, r, how_many(o, LISTED_DEFAULT))) {
        if (o->json) {
            json_skip_bugs(j, rows, n);
        } else {
            reader_take(r, put_skip_bugs(s, rows, n, base, r->err));
        }
    }
    rows_free(rows, n, &skip_bug_kind);
}

static void show_list(const struct screen *s, struct reader *r, const struct options *o,
                      struct jsonout *j, enum skip_sort sort)
{
    struct skip_row *rows = NULL;
    size_t n = 0;
    if (!skip_rows_read(&rows, &n, r, sort, o->all, how_many(o, LISTED_DEFAULT))) {
        if (o->json) {
            json_skips(j, rows, n);
        } else {
            putc('\n', s->to);
            reader_take(r, put_skips(s, rows, n, r->err));
        }
    }
    rows_free(rows, n, &skip_kind);
}

static void show_one(const struct screen *s, struct reader *r, const struct options *o,
                     struct jsonout *j)
{
    struct skip_row row = {0};
    struct skip_place_row *places = NULL;
    size_t n = 0;
    const int64_t id = o->id < INT64_MAX ? (int64_t)o->id : -1;
    if (!skip_row_read(&row, r, id)) {
        const int64_t all = reader_number(r, "SELECT count(*) FROM skip", NULL);
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: has no skip-trigram %zu; its %" PRId64 " have the numbers from 0 that "
                    "gapscope skips --all lists behind #",
                    r->path, o->id, all);
    } else if (!skip_places_read(&places, &n, r, id, how_many(o, PLACES_DEFAULT))) {
        if (o->json) {
            json_skips(j, &row, 1);
            json_skip_places(j, places, n);
        } else {
            reader_take(r, put_skip(s, &row, places, n, r->err));
        }
    }
    for (size_t i = 0; i < n; i++) {
        place_free(&places[i].place);
    }
    rows_free(places, n, &skip_place_kind);
    row_free(&row, &skip_kind);
}

static void show(const struct screen *s, struct reader *r, const struct options *o,
                 enum skip_sort sort)
{
    struct jsonout j = {.to = s->to};
    struct json_object *run = skip_run_read(r);
    char *base = run ? skip_base_name(r, run) : NULL;
    if (o->json) {
        jsonout_begin(&j, '{');
    }
    if (!r->rc && o->id == SIZE_MAX) {
        show_run(s, r, &j, o->json, run, base ? base : "");
    }
    if (o->id != SIZE_MAX) {
        show_one(s, r, o, &j);
    } else if (o->bugs) {
        show_bugs(s, r, o, &j, base ? base : "");
    } else {
        show_list(s, r, o, &j, sort);
    }
    if (o->json) {
        jsonout_end(&j, '}');
    }
    free(base);
    json_object_put(run);
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct reader r = {0};
    struct screen s = {0};
    enum skip_sort sort;
    int rc = check_options(o, err);
    rc = rc ? rc : parse_sort(o, &sort, err);
    if (rc) {
        return rc;
    }
    rc = reader_open(&r, operands->items[0], err);
    rc = rc ? rc : screen_open(&s, o->color, o->output, err);
    rc = rc ? rc : skips_any(&r);
    if (!rc) {
        show(&s, &r, o, sort);
        rc = r.rc;
    }
    reader_close(&r);
    return screen_close(&s, rc, o->output, err);
}

int cmd_skips(int argc, char **argv)
{
    struct options o = {.n = SIZE_MAX, .id = SIZE_MAX};
    const struct arg args[] = {
        ARGS_GROUP("which are shown"),
        {"bugs", 0, ARG_FLAG, &o.bugs, NULL,
         "where two cross: each bug, who fixes it, and by which heads\nand neurons"},
        {"id", 0, ARG_SIZE, &o.id, "N", "one skip-trigram with places to read: #N of the list"},
        {"sort", 0, ARG_STRING, &o.sort, "strength|places|rate",
         "the greatest first; strength if not given"},
        {"all", 0, ARG_FLAG, &o.all, NULL, "also those that stand nowhere in the corpus"},
        {"number", 'n', ARG_SIZE, &o.n, "N",
         "how many (20; with --json all); with --id: places (10)"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "skips",
        .usage = "run.db [--bugs] [--sort KEY] [-n N] | run.db --id N",
        .summary =
            "The skip-trigrams \"A\" ... \"B\" -> \"C\" that the heads of a run's base make, "
            "and its bugs:\n"
            "where a head that says C1 at A ... B1 and C2 at A ... B2 says C2 at A ... B1, "
            "too,\n"
            "though it does not follow; which models fix them, and how.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope skips run.db\n"
                    "gapscope skips run.db --bugs",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
