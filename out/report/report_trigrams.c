/*
 * The chunks trigrams and trigram/B.
 */
#include "out/report/report.h"

#include <inttypes.h>

#include "out/read/queries.h"
#include "out/read/trigram_facts.h"
#include "scan/plan/trigram_choice.h"

#define INDEX                                                                                      \
    "SELECT id, a, b, c, a_text, b_text, c_text, count, p, p_bigram, p_skip2, p_skip4, p_skip8,"   \
    " p_skip16, p_added, n, docs, gain, tested FROM trigram ORDER BY id"

#define NEURONS                                                                                    \
    "SELECT model, layer, idx, rank, kind, corpus_ab, corpus_xb, corpus_ax, corpus_xx,"            \
    " corpus_interaction, ab, xb, ax, xx, interaction, se, direct, share, ablated, ablated_se,"    \
    " ablated_elsewhere FROM trigram_neuron WHERE trigram = ?1 ORDER BY model, rank, layer, idx"

static const char model_columns[] = "[\"trigram\",\"model\",\"contexts\",\"pairs\",\"lp_ab\","
                                    "\"lp_xb\",\"lp_ax\",\"lp_xx\",\"interaction\",\"se\","
                                    "\"verdict\",\"layer\",\"idx\",\"words\"]";

static const char example_columns[] = "[\"kind\",\"rank\",\"shard\",\"doc\",\"byte_start\","
                                      "\"byte_end\",\"logprobs\",\"at\",\"tokens\"]";

// --- one of them -------------------------------------------------------------------------------

static int put_examples(const struct report *r, struct jsonout *j, int64_t id, struct err *err)
{
    static const struct report_place place = {
        .token_index = TE_AT, .tokens = TE_TOKENS, .activations = -1, .labelled = -1};
    const int64_t args[] = {id, (int64_t)r->examples};
    int rc = 0;
    sqlite3_stmt *row = view_query(r->v, SQL_TRIGRAM_EXAMPLES, args, &rc, err);
    report_open_table(j, "example", example_columns);
    while (view_step(r->v, row, &rc, err)) {
        jsonout_begin(j, '[');
        for (int i = 0; i < TE_AT; i++) {
            view_json_cell(j, row, i, REPORT_DIGITS);
        }
        view_json_cell(j, row, TE_LOGPROBS, REPORT_DETAIL_DIGITS);
        report_put_place(j, row, &place, 1);
        jsonout_end(j, ']');
    }
    report_end_table(j);
    sqlite3_finalize(row);
    return rc;
}

static int put_trigram(const struct report *r, struct draft *d, int64_t id, struct err *err)
{
    jsonout_begin(&d->json, '{');
    int rc = report_put_table(r, d, "trigram", SQL_TRIGRAM, &id, err);
    rc = rc ? rc : report_put_table(r, d, "neuron", NEURONS, &id, err);
    rc = rc ? rc : put_examples(r, &d->json, id, err);
    jsonout_end(&d->json, '}');
    return rc;
}

/* The next block of them, from the statement of their ids; *more: there may be others. */
static int add_block(struct report *r, sqlite3_stmt *ids, size_t block, bool *more, struct err *err)
{
    struct draft d;
    size_t n = 0;
    int rc = draft_open(&d, err);
    if (rc) {
        return rc;
    }
    jsonout_begin(&d.json, '[');
    *more = true;
    while (n < REPORT_BLOCK && !rc && (*more = view_step(r->v, ids, &rc, err))) {
        rc = put_trigram(r, &d, sqlite3_column_int64(ids, 0), err);
        n += !rc;
    }
    jsonout_end(&d.json, ']');
    r->n_trigrams += n;
    if (n == 0 && !rc) {
        draft_discard(&d);
        return 0;
    }
    return chunks_add(&r->chunks, &d, rc, err, "trigram/%zu", block);
}

static int add_blocks(struct report *r, struct err *err)
{
    int rc = 0;
    bool more = true;
    sqlite3_stmt *ids = view_query(r->v, "SELECT id FROM trigram ORDER BY id", NULL, &rc, err);
    for (size_t block = 0; more && !rc; block++) {
        rc = add_block(r, ids, block, &more, err);
    }
    sqlite3_finalize(ids);
    return rc;
}

// --- the index ---------------------------------------------------------------------------------

/* What the run says of all of them. */
static int put_run(const struct report *r, struct jsonout *j, struct err *err)
{
    struct trigram_run run = {0};
    struct buf words = {0};
    int rc = trigram_run_read(&run, r->v, err);
    rc = rc ? rc : trigram_funnel_words(&words, &run, err);
    jsonout_key(j, "run");
    view_json_value(j, run.json, REPORT_DIGITS);
    jsonout_key(j, "words");
    view_json_text(j, rc ? "" : words.data);
    const int64_t tested =
        view_number(r->v, "SELECT count(*) FROM trigram WHERE tested = 1", NULL, &rc, err);
    words.len = 0;
    rc = rc ? rc : trigram_tested_words(&words, &run, (uint64_t)tested, err);
    jsonout_key(j, "tested_words");
    view_json_text(j, rc ? "" : words.data);
    jsonout_key(j, "gap_least");
    jsonout_rounded(j, trigram_gap_least(&run), REPORT_DIGITS);
    jsonout_key(j, "docs_least");
    jsonout_u64(j, TRIGRAM_CHOICE_DOCS);
    buf_free(&words);
    trigram_run_free(&run);
    return rc;
}

static int put_models_of(const struct report *r, struct jsonout *j, int64_t id, sqlite3_stmt *row,
                         struct err *err)
{
    struct buf words = {0};
    int rc = 0;
    for (view_again(row, &id); view_step(r->v, row, &rc, err);) {
        words.len = 0;
        rc = trigram_verdict_words(&words, row, err);
        jsonout_begin(j, '[');
        jsonout_i64(j, id);
        for (int i = 0; i < TM_SITE; i++) {
            if (i != TM_NAME) {
                view_json_cell(j, row, i, REPORT_DIGITS);
            }
        }
        view_json_text(j, rc ? "" : words.data);
        jsonout_end(j, ']');
    }
    buf_free(&words);
    return rc;
}

static int put_models(const struct report *r, struct jsonout *j, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *ids = view_query(r->v, "SELECT id FROM trigram ORDER BY id", NULL, &rc, err);
    sqlite3_stmt *row = view_query(r->v, SQL_TRIGRAM_MODELS, (int64_t[]){-1}, &rc, err);
    report_open_table(j, "model", model_columns);
    while (view_step(r->v, ids, &rc, err)) {
        rc = put_models_of(r, j, sqlite3_column_int64(ids, 0), row, err);
    }
    report_end_table(j);
    sqlite3_finalize(ids);
    sqlite3_finalize(row);
    return rc;
}

static int add_index(struct report *r, struct err *err)
{
    struct draft d;
    int rc = draft_open(&d, err);
    if (rc) {
        return rc;
    }
    jsonout_begin(&d.json, '{');
    rc = put_run(r, &d.json, err);
    rc = rc ? rc : report_put_table(r, &d, "trigram", INDEX, NULL, err);
    rc = rc ? rc
            : report_put_table(r, &d, "gap",
                               "SELECT trigram, pair, mean_gap, se FROM trigram_gap"
                               " ORDER BY trigram, pair",
                               NULL, err);
    rc = rc ? rc : put_models(r, &d.json, err);
    jsonout_end(&d.json, '}');
    return chunks_add(&r->chunks, &d, rc, err, "trigrams");
}

int report_add_trigrams(struct report *r, struct err *err)
{
    int rc = 0;
    if (trigram_count(r->v, &rc, err) > 0) {
        rc = add_index(r, err);
        rc = rc ? rc : add_blocks(r, err);
    }
    return rc;
}
