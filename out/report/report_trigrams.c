/*
 * The chunks trigrams and trigram/B.
 */
#include "out/report/report.h"

#include "corpora/base/mem.h"
#include "out/read/queries.h"
#include "out/read/row_json.h"
#include "out/read/trigram_facts.h"
#include "out/read/trigram_page.h"

#define SQL_INDEX                                                                                  \
    "SELECT id, a, b, c, a_text, b_text, c_text, count, p, p_bigram, p_skip2, p_skip4, p_skip8,"   \
    " p_skip16, p_added, n, docs, gain, tested FROM trigram ORDER BY id"

#define SQL_NEURONS_OF_ALL                                                                         \
    "SELECT model, layer, idx, rank, kind, corpus_ab, corpus_xb, corpus_ax, corpus_xx,"            \
    " corpus_interaction, ab, xb, ax, xx, interaction, se, direct, share, ablated, ablated_se,"    \
    " ablated_elsewhere FROM trigram_neuron WHERE trigram = ?1 ORDER BY model, rank, layer, idx"

static const char *const model_names[] = {"trigram", "model", "contexts", "pairs",       "lp_ab",
                                          "lp_xb",   "lp_ax", "lp_xx",    "interaction", "se",
                                          "verdict", "layer", "idx",      "words"};
#define MODEL_NAME 1 // columns of trigram_model_kind that are left out: the page has the models
#define MODEL_SITE 13

static const char *const example_names[] = {"kind",     "rank",     "shard", "doc",   "byte_start",
                                            "byte_end", "logprobs", "at",    "tokens"};
#define EXAMPLE_BYTE_END 6 // columns of trigram_example_kind

// --- one of them -------------------------------------------------------------------------------

static void json_examples(const struct report *r, struct jsonout *j, int64_t id)
{
    const int64_t args[] = {id, limit_of(r->examples)};
    struct trigram_example *examples;
    size_t n;
    rows_read(&examples, &n, &trigram_example_kind, r->reader, SQL_TRIGRAM_EXAMPLES, args);
    REPORT_OPEN_TABLE(j, "example", example_names);
    for (size_t i = 0; i < n; i++) {
        jsonout_begin(j, '[');
        report_fields(j, &trigram_example_kind, &examples[i], EXAMPLE_BYTE_END);
        json_value(j, examples[i].logprobs, REPORT_DETAIL_DIGITS);
        report_place(j, &examples[i].place, NULL);
        jsonout_end(j, ']');
    }
    report_end_table(j);
    rows_free(examples, n, &trigram_example_kind);
}

static void json_trigram(const struct report *r, struct draft *d, int64_t id)
{
    jsonout_begin(&d->json, '{');
    report_table(r, d, "trigram", SQL_TRIGRAM, &id);
    report_table(r, d, "neuron", SQL_NEURONS_OF_ALL, &id);
    json_examples(r, &d->json, id);
    jsonout_end(&d->json, '}');
}

/* The next block of them, from the statement of their ids; returns whether there may be others. */
static bool add_block(struct report *r, sqlite3_stmt *ids, size_t block)
{
    struct draft d = {0};
    size_t n = 0;
    bool more = true;
    if (reader_take(r->reader, draft_open(&d, r->reader->err))) {
        return false;
    }
    jsonout_begin(&d.json, '[');
    while (n < REPORT_BLOCK && (more = reader_step(r->reader, ids))) {
        json_trigram(r, &d, sqlite3_column_int64(ids, 0));
        n++;
    }
    jsonout_end(&d.json, ']');
    r->n_trigrams += n;
    if (n == 0) {
        draft_discard(&d);
        return false;
    }
    return !reader_take(r->reader, chunks_add(&r->chunks, &d, r->reader->rc, r->reader->err,
                                              "trigram/%zu", block)) &&
           more;
}

static void add_blocks(struct report *r)
{
    sqlite3_stmt *ids = reader_query(r->reader, "SELECT id FROM trigram ORDER BY id", NULL);
    for (size_t block = 0; add_block(r, ids, block); block++) {
    }
    sqlite3_finalize(ids);
}

// --- the index ---------------------------------------------------------------------------------

/* A sentence as a member. */
static void json_words(struct jsonout *j, const char *key, const struct buf *words, int rc)
{
    jsonout_key(j, key);
    json_text(j, rc ? "" : words->data);
}

/* What the run says of all of them. */
static void json_run(const struct report *r, struct jsonout *j)
{
    struct trigram_run run = {0};
    struct buf words = {0};
    struct err *err = r->reader->err;
    int rc = trigram_run_read(&run, r->reader);
    jsonout_key(j, "run");
    json_value(j, run.json, REPORT_DIGITS);
    rc = rc ? rc : trigram_funnel_words(&words, &run, err);
    json_words(j, "words", &words, rc);
    words.len = 0;
    rc = rc ? rc : trigram_tested_words(&words, &run, err);
    json_words(j, "tested_words", &words, rc);
    jsonout_key(j, "gap_least");
    jsonout_rounded(j, trigram_gap_least(&run), REPORT_DIGITS);
    jsonout_key(j, "docs_least");
    jsonout_u64(j, trigram_docs_least(&run));
    buf_free(&words);
    trigram_run_free(&run);
    reader_take(r->reader, rc);
}

static void json_model(struct jsonout *j, int64_t id, const struct trigram_model *m)
{
    jsonout_begin(j, '[');
    jsonout_i64(j, id);
    for (size_t i = 0; i < MODEL_SITE; i++) {
        if (i != MODEL_NAME) {
            field_json(j, &trigram_model_kind.columns[i], m, REPORT_DIGITS);
        }
    }
    json_text(j, m->words);
    jsonout_end(j, ']');
}

static void json_models(const struct report *r, struct jsonout *j)
{
    struct reader *reader = r->reader;
    sqlite3_stmt *ids = reader_query(reader, "SELECT id FROM trigram ORDER BY id", NULL);
    sqlite3_stmt *stmt = reader_query(reader, SQL_TRIGRAM_MODELS, (int64_t[]){-1});
    REPORT_OPEN_TABLE(j, "model", model_names);
    while (reader_step(reader, ids)) {
        const int64_t id = sqlite3_column_int64(ids, 0);
        struct trigram_model *models;
        size_t n;
        reader_again(stmt, &id);
        trigram_models_step(&models, &n, reader, stmt);
        for (size_t i = 0; i < n && !reader->rc; i++) {
            json_model(j, id, &models[i]);
        }
        trigram_models_free(models, n);
    }
    report_end_table(j);
    sqlite3_finalize(ids);
    sqlite3_finalize(stmt);
}

int report_add_trigrams(struct report *r)
{
    struct draft d;
    if (trigram_count(r->reader) == 0 || !report_begin(r, &d)) {
        return r->reader->rc;
    }
    json_run(r, &d.json);
    report_table(r, &d, "trigram", SQL_INDEX, NULL);
    report_table(r, &d, "gap",
                 "SELECT trigram, pair, mean_gap, se FROM trigram_gap ORDER BY trigram, pair",
                 NULL);
    json_models(r, &d.json);
    if (!report_end(r, &d, "trigrams")) {
        add_blocks(r);
    }
    return r->reader->rc;
}
