#include "out/read/hypothesis_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/queries.h"

#define SQL_HYPOTHESIS                                                                             \
    "SELECT id AS hypothesis, name, kind, spec, tokens AS labelled_tokens, docs,"                  \
    " tokens * 1.0 / tokens_seen AS prevalence, aborted, tokens_seen, predicts FROM hypothesis"    \
    " WHERE id = ?1"
#define HYPOTHESIS_SPEC 3 // its column

#define SQL_RANKED                                                                                 \
    "SELECT count(*) FROM score WHERE hypothesis = ?1 AND split = 'dev'"                           \
    " AND average_precision NOT NULL"

/* Of hypothesis ?1 and the neuron in ?2, ?3, ?4. */
#define SQL_OF_NEURON_AND_HYPOTHESIS                                                               \
    " WHERE hypothesis = ?1 AND model = ?2 AND layer = ?3 AND idx = ?4"

const char *const half_names[HALVES] = {"dev", "test"};

static const struct column domain_columns[] = {
    {"domain", CELL_TEXT, offsetof(struct hypothesis_domain, domain)},
    {"tokens_seen", CELL_WHOLE, offsetof(struct hypothesis_domain, tokens_seen)},
    {"labelled_tokens", CELL_WHOLE, offsetof(struct hypothesis_domain, labelled_tokens)},
    {"prevalence", CELL_REAL, offsetof(struct hypothesis_domain, prevalence)},
};
const struct row_kind hypothesis_domain_kind = ROW_KIND(struct hypothesis_domain, domain_columns);

static const struct column counterexample_columns[] = {
    {"kind", CELL_TEXT, offsetof(struct counterexample, kind)},
    {"rank", CELL_WHOLE, offsetof(struct counterexample, rank)},
    {"activation", CELL_REAL, offsetof(struct counterexample, place.activation)},
    {"shard", CELL_WHOLE, offsetof(struct counterexample, place.shard)},
    {"doc", CELL_WHOLE, offsetof(struct counterexample, place.doc)},
    {"byte_start", CELL_WHOLE, offsetof(struct counterexample, place.byte_start)},
    {"byte_end", CELL_WHOLE, offsetof(struct counterexample, place.byte_end)},
    {"token_index", CELL_WHOLE, offsetof(struct counterexample, place.token_index)},
    {"tokens", CELL_JSON, offsetof(struct counterexample, place.tokens)},
    {"activations", CELL_JSON, offsetof(struct counterexample, place.activations)},
    {"labelled", CELL_JSON, offsetof(struct counterexample, place.labelled)},
};
const struct row_kind counterexample_kind = ROW_KIND(struct counterexample, counterexample_columns);

/* ?1 to ?4 of the queries: hypothesis, model, layer, index; model -1: there is no neuron. */
struct key {
    int64_t values[4];
};

/* Those of SQL_NEURONS: unless 'first' no neuron comes before the best. */
static void neuron_args(int64_t args[6], const struct key *key, bool first, size_t n, bool all)
{
    const int64_t values[] = {key->values[0], first ? key->values[1] : -1,
                              key->values[2], key->values[3],
                              limit_of(n),    all};
    memcpy(args, values, sizeof values);
}

/* The neuron that was asked for, else the best one. */
static void choose_neuron(struct hypothesis_page *p, struct key *key, struct reader *r,
                          const char *neuron)
{
    int64_t args[6];
    struct score best = {0};
    if (neuron) {
        struct neuron_ref ref = {0};
        neuron_find(&ref, r, neuron);
        memcpy(key->values + 1, (int64_t[]){ref.model, ref.layer, ref.index}, 3 * sizeof *args);
        neuron_ref_free(&ref);
    }
    neuron_args(args, key, neuron != NULL, 1, false);
    if (row_read_first(&best, &score_of_hypothesis, r, SQL_NEURONS, args)) {
        p->neuron_name = best.neuron.data;
        best.neuron.data = NULL;
        const int64_t found[] = {best.model, best.layer, best.idx};
        memcpy(key->values + 1, found, sizeof found);
    }
    if (neuron && (!p->neuron_name || memcmp(key->values, args, sizeof key->values) != 0)) {
        reader_fail(r, ERR_NOT_FOUND, "%s: the hypothesis was not tested on %s", r->path, neuron);
    }
    row_free(&best, &score_of_hypothesis);
}

static void read_neuron(struct hypothesis_page *p, const struct key *key, struct reader *r)
{
    sqlite3_stmt *stmt =
        reader_query(r,
                     "SELECT s.threshold, n.max, n.min FROM score s LEFT JOIN neuron n"
                     " ON n.model = s.model AND n.layer = s.layer AND n.idx = s.idx"
                     " WHERE s.hypothesis = ?1 AND s.model = ?2 AND s.layer = ?3 AND s.idx = ?4"
                     " AND s.split = 'dev'",
                     key->values);
    const bool any = reader_step(r, stmt);
    p->threshold = any ? column_real(stmt, 0) : NAN;
    p->max = any ? column_real(stmt, 1) : NAN;
    p->min = any ? column_real(stmt, 2) : NAN;
    sqlite3_finalize(stmt);
}

static void read_halves(struct hypothesis_page *p, const struct key *key, struct reader *r)
{
    for (enum half half = 0; half < HALVES; half++) {
        const int64_t *k = key->values;
        const int64_t args[] = {k[0], k[1], k[2], k[3], half};
        sqlite3_stmt *stmt =
            reader_query(r,
                         "SELECT prevalence, n_pos + n_neg FROM "
                         "score" SQL_OF_NEURON_AND_HYPOTHESIS " AND split = iif(?5, 'test', 'dev')",
                         args);
        if (reader_step(r, stmt)) {
            p->halves[half] =
                (struct half_of_tokens){true, column_real(stmt, 0), column_u64(stmt, 1)};
        }
        sqlite3_finalize(stmt);
    }
}

static void read_histograms(struct hypothesis_page *p, const struct key *key, struct reader *r)
{
    bins_read(&p->bins, r);
    for (size_t i = 0; i < HALVES; i++) {
        p->labelled[i] = reader_new(r, p->bins.n, sizeof **p->labelled);
        p->rest[i] = reader_new(r, p->bins.n, sizeof **p->rest);
    }
    sqlite3_stmt *stmt =
        reader_query(r, "SELECT split, labelled, rest FROM split_hist" SQL_OF_NEURON_AND_HYPOTHESIS,
                     key->values);
    while (reader_step(r, stmt)) {
        const enum half i =
            strcmp(column_text(stmt, 0), half_names[HALF_DEV]) == 0 ? HALF_DEV : HALF_TEST;
        p->n_labelled[i] = bins_count(&p->bins, stmt, 1, p->labelled[i]);
        p->n_rest[i] = bins_count(&p->bins, stmt, 2, p->rest[i]);
    }
    sqlite3_finalize(stmt);
}

static void read_counterexamples(struct hypothesis_page *p, const struct key *key, struct reader *r,
                                 size_t most)
{
    const int64_t *k = key->values;
    const int64_t args[] = {k[0], k[1], k[2], k[3], limit_of(most)};
    rows_read(&p->counterexamples, &p->n_counterexamples, &counterexample_kind, r,
              SQL_COUNTEREXAMPLES, args);
    places_name(r, p->counterexamples, p->n_counterexamples, sizeof *p->counterexamples,
                offsetof(struct counterexample, place));
}

int hypothesis_page_read(struct hypothesis_page *p, struct reader *r, const char *name,
                         const struct hypothesis_page_options *o)
{
    struct key key = {{0, -1, -1, -1}};
    int64_t args[6];
    reader_find(r, "hypothesis", name, &key.values[0]);
    choose_neuron(p, &key, r, o->neuron);
    read_neuron(p, &key, r);
    read_halves(p, &key, r);
    read_histograms(p, &key, r);
    sqlite3_stmt *head = reader_query(r, SQL_HYPOTHESIS, key.values);
    if (reader_step(r, head)) {
        row_read(&p->hypothesis, &hypothesis_kind, r, head);
        p->spec_text = column_strdup(r, head, HYPOTHESIS_SPEC);
    }
    sqlite3_finalize(head);
    run_state_read(&p->state, r);
    p->domains_kept = reader_number(
        r, "SELECT count(*) FROM hypothesis_domain WHERE hypothesis = ?1", key.values);
    rows_read(&p->domains, &p->n_domains, &hypothesis_domain_kind, r, SQL_DOMAINS,
              (int64_t[]){key.values[0], limit_of(o->domains)});
    neuron_args(args, &key, o->neuron != NULL, o->neurons, o->all);
    rows_read(&p->scores, &p->n_scores, &score_of_hypothesis, r, SQL_NEURONS, args);
    p->n_ranked = reader_number(r, SQL_RANKED, key.values);
    read_counterexamples(p, &key, r, o->counterexamples);
    return r->rc;
}

void hypothesis_page_free(struct hypothesis_page *p)
{
    for (size_t i = 0; i < p->n_counterexamples; i++) {
        place_free(&p->counterexamples[i].place);
    }
    rows_free(p->counterexamples, p->n_counterexamples, &counterexample_kind);
    rows_free(p->domains, p->n_domains, &hypothesis_domain_kind);
    rows_free(p->scores, p->n_scores, &score_of_hypothesis);
    row_free(&p->hypothesis, &hypothesis_kind);
    run_state_free(&p->state);
    bins_free(&p->bins);
    for (size_t i = 0; i < HALVES; i++) {
        free(p->labelled[i]);
        free(p->rest[i]);
    }
    free(p->neuron_name);
    free(p->spec_text);
    *p = (struct hypothesis_page){0};
}
