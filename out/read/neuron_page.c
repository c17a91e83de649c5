#include "out/read/neuron_page.h"

#include <stdlib.h>
#include <string.h>

#include "out/read/queries.h"
#include "out/read/suggestion.h"

#define SQL_NEURON                                                                                 \
    "SELECT site, n, mean, sd, skewness, kurtosis, min, max, share_positive, left_out, hist"       \
    " FROM neuron WHERE " SQL_OF_NEURON
#define NEURON_HIST 10 // its column

#define SQL_EFFECTS                                                                                \
    "SELECT kind, rank, token, (SELECT text FROM token WHERE id = token) AS token_text, value"     \
    " FROM effect WHERE " SQL_OF_NEURON " ORDER BY kind, rank"

#define SQL_TOKEN_MEANS                                                                            \
    "SELECT rank, token, (SELECT text FROM token WHERE id = token) AS token_text, n, mean"         \
    " FROM token_mean WHERE " SQL_OF_NEURON " ORDER BY rank"

#define SQL_SCORES                                                                                 \
    "SELECT h.name, h.kind, s.* FROM hypothesis h CROSS JOIN score s"                              \
    " ON s.hypothesis = h.id AND " SQL_OF_NEURON

#define SQL_BEST_SCORES "SELECT h.name, h.kind, 'test' AS split, s.*" SQL_BEST_FIRST " LIMIT ?4"

#define SQL_SUGGESTED                                                                              \
    "SELECT h.name, h.spec, s.average_precision, s.f1, s.precision, s.recall FROM hypothesis h"    \
    " JOIN score s ON s.hypothesis = h.id AND s.split = 'test' AND " SQL_OF_NEURON

static const struct column neuron_columns[] = {
    {"site", CELL_TEXT, offsetof(struct neuron, site)},
    {"n", CELL_WHOLE, offsetof(struct neuron, n)},
    {"mean", CELL_REAL, offsetof(struct neuron, mean)},
    {"sd", CELL_REAL, offsetof(struct neuron, sd)},
    {"skewness", CELL_REAL, offsetof(struct neuron, skewness)},
    {"kurtosis", CELL_REAL, offsetof(struct neuron, kurtosis)},
    {"min", CELL_REAL, offsetof(struct neuron, min)},
    {"max", CELL_REAL, offsetof(struct neuron, max)},
    {"share_positive", CELL_REAL, offsetof(struct neuron, share_positive)},
    {"left_out", CELL_WHOLE, offsetof(struct neuron, left_out)},
};
const struct row_kind neuron_kind = ROW_KIND(struct neuron, neuron_columns);

static const struct column effect_columns[] = {
    {"kind", CELL_TEXT, offsetof(struct effect, kind)},
    {"rank", CELL_WHOLE, offsetof(struct effect, rank)},
    {"token", CELL_WHOLE, offsetof(struct effect, token)},
    {"token_text", CELL_TEXT, offsetof(struct effect, token_text)},
    {"value", CELL_REAL, offsetof(struct effect, value)},
};
const struct row_kind effect_kind = ROW_KIND(struct effect, effect_columns);

static const struct column suggested_columns[] = {
    {"name", CELL_TEXT, offsetof(struct suggested, name)},
    {"spec", CELL_JSON, offsetof(struct suggested, spec)},
    {"average_precision", CELL_REAL, offsetof(struct suggested, average_precision)},
    {"f1", CELL_REAL, offsetof(struct suggested, f1)},
    {"precision", CELL_REAL, offsetof(struct suggested, precision)},
    {"recall", CELL_REAL, offsetof(struct suggested, recall)},
};
const struct row_kind suggested_kind = ROW_KIND(struct suggested, suggested_columns);

static const struct column token_mean_columns[] = {
    {"rank", CELL_WHOLE, offsetof(struct token_mean, rank)},
    {"token", CELL_WHOLE, offsetof(struct token_mean, token)},
    {"token_text", CELL_TEXT, offsetof(struct token_mean, token_text)},
    {"n", CELL_WHOLE, offsetof(struct token_mean, n)},
    {"mean", CELL_REAL, offsetof(struct token_mean, mean)},
};
const struct row_kind token_mean_kind = ROW_KIND(struct token_mean, token_mean_columns);

static const struct column credit_columns[] = {
    {"pair", CELL_TEXT, offsetof(struct gap_credit, pair)},
    {"credit", CELL_REAL, offsetof(struct gap_credit, credit)},
    {"hits", CELL_WHOLE, offsetof(struct gap_credit, hits)},
    {"of_hits", CELL_WHOLE, offsetof(struct gap_credit, of_hits)},
};
const struct row_kind gap_credit_kind = ROW_KIND(struct gap_credit, credit_columns);

static const struct column example_columns[] = {
    {"kind", CELL_TEXT, offsetof(struct neuron_example, kind)},
    {"rank", CELL_WHOLE, offsetof(struct neuron_example, rank)},
    {"activation", CELL_REAL, offsetof(struct neuron_example, place.activation)},
    {"lo", CELL_REAL, offsetof(struct neuron_example, lo)},
    {"hi", CELL_REAL, offsetof(struct neuron_example, hi)},
    {"shard", CELL_WHOLE, offsetof(struct neuron_example, place.shard)},
    {"doc", CELL_WHOLE, offsetof(struct neuron_example, place.doc)},
    {"byte_start", CELL_WHOLE, offsetof(struct neuron_example, place.byte_start)},
    {"byte_end", CELL_WHOLE, offsetof(struct neuron_example, place.byte_end)},
    {"token_index", CELL_WHOLE, offsetof(struct neuron_example, place.token_index)},
    {"tokens", CELL_JSON, offsetof(struct neuron_example, place.tokens)},
    {"activations", CELL_JSON, offsetof(struct neuron_example, place.activations)},
    {"labels", CELL_JSON, offsetof(struct neuron_example, labels)},
};
const struct row_kind neuron_example_kind = ROW_KIND(struct neuron_example, example_columns);

/* The split histogram of the best hypothesis, of both halves together. */
static void read_split(struct neuron_page *p, struct reader *r, const int64_t key[3])
{
    int64_t args[] = {key[0], key[1], key[2], 0};
    sqlite3_stmt *stmt = reader_query(r, "SELECT h.id, h.name" SQL_BEST_FIRST " LIMIT 1", key);
    if (reader_step(r, stmt)) {
        args[3] = sqlite3_column_int64(stmt, 0);
        p->best = column_strdup(r, stmt, 1);
    }
    sqlite3_finalize(stmt);
    stmt = reader_query(
        r, "SELECT labelled, rest FROM split_hist WHERE hypothesis = ?4 AND " SQL_OF_NEURON, args);
    bool any = false;
    while (reader_step(r, stmt)) {
        p->n_labelled += bins_count(&p->bins, stmt, 0, p->labelled);
        bins_count(&p->bins, stmt, 1, p->rest);
        any = true;
    }
    sqlite3_finalize(stmt);
    if (!any) {
        free(p->best);
        p->best = NULL;
    }
}

/* The hypothesis of the neuron's own name. */
static void read_suggestion(struct neuron_page *p, struct reader *r, const int64_t key[3])
{
    char name[SUGGESTION_NAME];
    if (r->rc) {
        return;
    }
    suggestion_name(name, p->ref.model_name, p->ref.layer, p->ref.index);
    sqlite3_stmt *stmt = reader_query(r, SQL_SUGGESTED, key);
    while (!p->has_suggestion && reader_step(r, stmt)) {
        if (strcmp(column_text(stmt, 0), name) == 0) {
            p->has_suggestion = row_read(&p->suggestion, &suggested_kind, r, stmt) == 0;
        }
    }
    sqlite3_finalize(stmt);
}

/* The neuron's own row with its histogram. */
static void read_neuron(struct neuron_page *p, struct reader *r, const int64_t key[3],
                        const char *name)
{
    bins_read(&p->bins, r);
    p->all = reader_new(r, p->bins.n, sizeof *p->all);
    p->labelled = reader_new(r, p->bins.n, sizeof *p->labelled);
    p->rest = reader_new(r, p->bins.n, sizeof *p->rest);
    sqlite3_stmt *stmt = reader_query(r, SQL_NEURON, key);
    if (reader_step(r, stmt)) {
        row_read(&p->neuron, &neuron_kind, r, stmt);
        bins_count(&p->bins, stmt, NEURON_HIST, p->all);
    } else {
        reader_fail(r, ERR_NOT_FOUND, "%s: knows nothing of %s yet", r->path, name);
    }
    sqlite3_finalize(stmt);
}

int examples_step(struct neuron_example **examples, size_t *n, struct reader *r, sqlite3_stmt *stmt)
{
    return rows_step(examples, n, &neuron_example_kind, r, stmt);
}

void examples_free(struct neuron_example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        place_free(&examples[i].place);
    }
    rows_free(examples, n, &neuron_example_kind);
}

int neuron_page_read(struct neuron_page *p, struct reader *r, const char *name,
                     const struct neuron_page_options *o)
{
    neuron_find(&p->ref, r, name);
    const int64_t key[] = {p->ref.model, p->ref.layer, p->ref.index};
    read_neuron(p, r, key, name);
    read_split(p, r, key);
    run_state_read(&p->state, r);
    rows_read(&p->effects, &p->n_effects, &effect_kind, r, SQL_EFFECTS, key);
    p->writes_nothing =
        reader_number(r, "SELECT EXISTS(SELECT 1 FROM effect)", NULL) > 0 &&
        reader_number(r,
                      "SELECT count(*) FROM effect WHERE kind IN ('output_top', 'output_bottom')"
                      " AND " SQL_OF_NEURON,
                      key) == 0;
    p->has_inputs = reader_number(r,
                                  "SELECT EXISTS(SELECT 1 FROM effect WHERE model = ?1 AND"
                                  " kind IN ('input_top', 'input_bottom'))",
                                  key) > 0;
    rows_read(&p->token_means, &p->n_token_means, &token_mean_kind, r, SQL_TOKEN_MEANS, key);
    p->n_mean_tokens = reader_number(r, "SELECT count(*) FROM token_mean_token", NULL);
    rows_read(&p->best_scores, &p->n_best_scores, &score_of_neuron, r, SQL_BEST_SCORES,
              (int64_t[]){key[0], key[1], key[2], limit_of(o->hypotheses)});
    rows_read(&p->scores, &p->n_scores, &score_of_neuron, r, SQL_SCORES, key);
    read_suggestion(p, r, key);
    cover_read(&p->cover, r, key);
    rows_read(&p->credit, &p->n_credit, &gap_credit_kind, r, SQL_CREDIT, key);
    sqlite3_stmt *stmt = reader_query(
        r, SQL_EXAMPLES,
        (int64_t[]){key[0], key[1], key[2], limit_of(o->examples), limit_of(o->intervals)});
    examples_step(&p->examples, &p->n_examples, r, stmt);
    sqlite3_finalize(stmt);
    return places_name(r, p->examples, p->n_examples, sizeof *p->examples,
                       offsetof(struct neuron_example, place));
}

void neuron_page_free(struct neuron_page *p)
{
    neuron_ref_free(&p->ref);
    row_free(&p->neuron, &neuron_kind);
    run_state_free(&p->state);
    bins_free(&p->bins);
    free(p->all);
    free(p->labelled);
    free(p->rest);
    free(p->best);
    rows_free(p->effects, p->n_effects, &effect_kind);
    rows_free(p->token_means, p->n_token_means, &token_mean_kind);
    rows_free(p->best_scores, p->n_best_scores, &score_of_neuron);
    rows_free(p->scores, p->n_scores, &score_of_neuron);
    row_free(&p->suggestion, &suggested_kind);
    cover_free(&p->cover);
    rows_free(p->credit, p->n_credit, &gap_credit_kind);
    examples_free(p->examples, p->n_examples);
    *p = (struct neuron_page){0};
}
