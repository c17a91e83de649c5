#include "out/text/trigrams_text.h"

#include <inttypes.h>

#include "out/read/queries.h"

int trigrams_json_run(const struct trigrams_view *t, struct jsonout *j, struct err *err)
{
    struct buf words = {0};
    const int rc = trigram_funnel_words(&words, &t->run, err);
    jsonout_key(j, "run");
    view_json_value(j, t->run.json, 0);
    jsonout_key(j, "funnel_words");
    view_json_text(j, rc ? "" : words.data);
    jsonout_key(j, "tested");
    if (t->run.tested >= 0) {
        jsonout_i64(j, t->run.tested);
    } else {
        jsonout_raw(j, "null");
    }
    jsonout_key(j, "pair");
    if (t->pairs.chosen) {
        view_json_text(j, t->pairs.chosen->name);
    } else {
        jsonout_raw(j, "null");
    }
    buf_free(&words);
    return rc;
}

/* "models": [{..., "words": "...", "neurons": [{...}]}] */
static int put_models(const struct view *v, struct jsonout *j, int64_t id, struct err *err)
{
    struct buf words = {0};
    int rc = 0;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_MODELS, &id, &rc, err);
    jsonout_key(j, "models");
    jsonout_begin(j, '[');
    while (view_step(v, row, &rc, err)) {
        const int64_t args[] = {id, sqlite3_column_int64(row, TM_MODEL)};
        words.len = 0;
        rc = trigram_verdict_words(&words, row, err);
        jsonout_begin(j, '{');
        view_json_columns(j, row, 0, TM_NEURON_LAYER);
        jsonout_key(j, "words");
        view_json_text(j, rc ? "" : words.data);
        rc = rc ? rc : view_json_rows(v, j, "neurons", SQL_TRIGRAM_NEURONS, args, err);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
    sqlite3_finalize(row);
    buf_free(&words);
    return rc;
}

static int put_examples(const struct view *v, struct jsonout *j, const int64_t args[2],
                        struct err *err)
{
    struct passages passages;
    int rc = passages_open(&passages, v, 0, 0, err);
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_EXAMPLES, args, &rc, err);
    jsonout_key(j, "examples");
    jsonout_begin(j, '[');
    while (view_step(v, row, &rc, err)) {
        jsonout_begin(j, '{');
        view_json_columns(j, row, 0, TE_MARKED);
        rc = place_json(&passages, j, row, TE_TOKENS, err);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
    sqlite3_finalize(row);
    passages_close(&passages);
    return rc;
}

int trigrams_json_one(const struct view *v, struct jsonout *j, int64_t id, size_t n,
                      struct err *err)
{
    const int64_t args[] = {id, n < INT64_MAX ? (int64_t)n : INT64_MAX};
    int rc = 0;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM, args, &rc, err);
    jsonout_begin(j, '{');
    if (view_step(v, row, &rc, err)) {
        view_json_columns(j, row, 0, sqlite3_column_count(row));
    }
    sqlite3_finalize(row);
    rc = rc ? rc : view_json_rows(v, j, "gaps", SQL_TRIGRAM_GAPS, args, err);
    rc = rc ? rc : put_models(v, j, id, err);
    rc = rc ? rc : put_examples(v, j, args, err);
    jsonout_end(j, '}');
    return rc;
}
