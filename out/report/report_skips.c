/*
 * The chunk skips.
 */
#include "out/report/report.h"

#include <stdlib.h>

#include "corpora/base/mem.h"
#include "out/read/row_json.h"
#include "out/read/skip_list.h"

#define MOST 500 // skip-trigrams that the page lists, of those that stand in the corpus

static const char *const place_names[] = {"skip",     "rank", "shard",  "doc",   "byte_start",
                                          "byte_end", "at",   "tokens", "marked"};
#define PLACE_BYTE_END 5 // columns of skip_place_kind

/* The places of one, as rows of the open table. */
static void json_places(const struct report *r, struct jsonout *j, int64_t id)
{
    struct skip_place_row *places = NULL;
    size_t n = 0;
    skip_places_read(&places, &n, r->reader, id, r->examples);
    for (size_t i = 0; i < n && !r->reader->rc; i++) {
        jsonout_begin(j, '[');
        jsonout_i64(j, id);
        report_fields(j, &skip_place_kind, &places[i], PLACE_BYTE_END);
        report_place(j, &places[i].place, NULL);
        report_labelled(j, &places[i].place);
        jsonout_end(j, ']');
    }
    for (size_t i = 0; i < n; i++) {
        place_free(&places[i].place);
    }
    rows_free(places, n, &skip_place_kind);
}

/* What the run says of all, in words. */
static void json_words(const struct report *r, struct jsonout *j)
{
    struct json_object *run = skip_run_read(r->reader);
    char *base = run ? skip_base_name(r->reader, run) : NULL;
    struct buf words = {0};
    if (run && base) {
        reader_take(r->reader, skip_funnel_words(&words, run, base, r->reader->err));
    }
    jsonout_key(j, "words");
    json_text(j, words.len > 0 ? words.data
                               : "The run is not finished: bugs are looked for at its end.");
    jsonout_key(j, "base");
    json_text(j, base ? base : "the base");
    buf_free(&words);
    free(base);
    json_object_put(run);
}

int report_add_skips(struct report *r)
{
    struct reader *reader = r->reader;
    struct skip_row *rows = NULL;
    struct skip_bug_row *bugs = NULL;
    size_t n = 0, n_bugs = 0;
    struct draft d;
    if (reader_number(reader, "SELECT count(*) FROM skip", NULL) == 0 || !report_begin(r, &d)) {
        return reader->rc;
    }
    json_words(r, &d.json);
    if (!skip_rows_read(&rows, &n, reader, SKIP_BY_STRENGTH, false, MOST)) {
        rows_json(&d.json, "skips", &skip_kind, rows, n);
    }
    if (!skip_bugs_read(&bugs, &n_bugs, reader, MOST)) {
        rows_json(&d.json, "bugs", &skip_bug_kind, bugs, n_bugs);
    }
    REPORT_OPEN_TABLE(&d.json, "place", place_names);
    for (size_t i = 0; i < n_bugs && !reader->rc; i++) {
        json_places(r, &d.json, bugs[i].skip1);
    }
    report_end_table(&d.json);
    rows_free(rows, n, &skip_kind);
    rows_free(bugs, n_bugs, &skip_bug_kind);
    report_end(r, &d, "skips");
    return reader->rc;
}
